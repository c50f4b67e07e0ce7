// swift-tools-version: 6.2
import PackageDescription

// `make test` and CI set WEIR_STRICT: a newer compiler's new warning must not break a user's build, but breaks ours.
let settings: [SwiftSetting] =
  Context.environment["WEIR_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)]

func nio(_ product: String) -> Target.Dependency { .product(name: product, package: "swift-nio") }
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let hashTrees = Target.Dependency.product(name: "HashTreeCollections", package: "swift-collections")

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(
  of name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.byName(name: name)] + dependencies, exclude: exclude, swiftSettings: settings)
}

func program(
  _ name: String, path: String? = nil, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: path, exclude: exclude, swiftSettings: settings)
}

let package = Package(
  name: "weir",
  products: [
    .executable(name: "weir", targets: ["WeirCommand"]),
    .executable(name: "weir-load", targets: ["WeirLoad"]),
    .library(name: "Weir", targets: ["Weir"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.19.4"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // System libraries: a module map and a shim each.
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CPrefetch"),
    .systemLibrary(name: "CTimeSlice"),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),

    // Generated from protos/ by scripts/generate-protos.
    .target(name: "CWeirProtos", dependencies: ["CProtobufC"]),

    // The wire: bytes to events, events to calls.
    library("HTTP2Session", ["CNghttp2", nio("NIOCore")]),
    library("HTTP2Transport", ["HTTP2Session", nio("NIOCore"), nio("NIOPosix")]),
    library(
      "GRPCTransport", ["HTTP2Transport", "HTTP2Session", "Telemetry", nio("NIOCore"), nio("NIOPosix"), logging]),

    // TLS for the wire, with certificates that change while it runs.
    library(
      "TransportSecurity",
      [
        "Telemetry", nio("NIOCore"), nio("NIOPosix"), nio("NIOTLS"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "X509", package: "swift-certificates"),
        logging,
      ]),

    // The messages: Swift values in, bytes out, and back.
    library("ProtobufC", ["CProtobufC"]),
    library("EnvoyAPI", ["ProtobufC", "CWeirProtos"]),

    // The core: values, the graph that derives from them, what is served.
    library("TrafficModel"),
    library("IncrementalGraph", ["CPrefetch", hashTrees]),
    library("XDSSnapshot", ["CXXHash", "CPrefetch", hashTrees]),
    library("TrafficCompiler", ["CPrefetch", "TrafficModel", "IncrementalGraph", "EnvoyAPI", "XDSSnapshot"]),

    // Releases: the state machine, what it makes of routes, the forms in which it is sent and stored.
    library("ReleaseControl", ["TrafficModel"]),

    // The push path.
    library(
      "XDSServer",
      [
        "XDSSnapshot", "EnvoyAPI", "GRPCTransport", "HTTP2Transport", "Telemetry", "CPrefetch", hashTrees,
        nio("NIOCore"), logging,
      ]),

    // The input: manifests, the gate, and what it remembers.
    library("ManifestSource", ["Telemetry", "TrafficModel", "Yams", logging]),
    library("Admission", ["TrafficModel"]),
    library("StateStore", ["TrafficModel", .product(name: "GRDB", package: "GRDB.swift")]),

    // Releases, their ledger and their notifications across restarts, and what every store of them must do.
    library(
      "ReleaseStores",
      ["StateStore", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Crypto", package: "swift-crypto")]),
    library("ReleaseStoreConformance", ["ReleaseStores"]),
    library(
      "ReleaseNotifications",
      [
        "ReleaseStores", logging, nio("NIOCore"), nio("NIOHTTP1"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
      ]),

    // Seen from outside.
    library("Telemetry"),
    library(
      "AdminServer",
      [
        "ReleaseControl", "Telemetry", "TrafficModel", logging, nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]),
    library("EnvoyBootstrap", ["EnvoyAPI", "XDSSnapshot"]),

    // All of it together, for a program that imports it, and as a command.
    library(
      "Weir",
      [
        "CTimeSlice",
        "TrafficModel", "TrafficCompiler", "ReleaseControl", "ReleaseStores", "ReleaseNotifications", "XDSSnapshot",
        "XDSServer",
        "GRPCTransport", "EnvoyAPI",
        "EnvoyBootstrap", "ManifestSource", "Admission", "StateStore", "Telemetry", "AdminServer", "TransportSecurity",
        .product(name: "AsyncHTTPClient", package: "async-http-client"), nio("NIOCore"), nio("NIOPosix"), logging,
      ]),
    program(
      "WeirCommand",
      [
        "Weir", "AdminServer", "EnvoyBootstrap", "ReleaseControl", "TrafficModel", "TransportSecurity", "XDSServer",
        logging,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ]),

    // Simulated proxies against any xDS server.
    program(
      "WeirLoad",
      [
        "GRPCTransport", "EnvoyAPI", "ProtobufC", "XDSSnapshot", "XDSServer", nio("NIOCore"), nio("NIOPosix"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Real Envoys, backends and load, for the tests, the tour and the benchmarks; not part of a product.
    library(
      "EnvoyHarness", [nio("NIOCore"), nio("NIOConcurrencyHelpers"), nio("NIOPosix"), nio("NIOHTTP1")]),
    program("ReleaseDemo", path: "examples/ReleaseDemo", ["EnvoyHarness", "Weir"]),
    program("ReleaseController", path: "examples/ReleaseController", ["Weir"]),
    program("ShopTour", path: "examples/ShopTour", ["EnvoyHarness", "Yams"]),
    program(
      "EndToEndBenchmark", path: "benchmarks/EndToEnd", ["EnvoyHarness", nio("NIOCore")], exclude: ["README.md"]),
    program(
      "HostileBenchmark", path: "benchmarks/Hostile",
      ["EnvoyAPI", "EnvoyHarness", "GRPCTransport", nio("NIOConcurrencyHelpers"), nio("NIOCore"), nio("NIOPosix")],
      exclude: ["README.md"]),
    // The suite of `make bench`, and the bare program that its fan-out figures are compared with.
    program(
      "WeirBenchmarks", path: "benchmarks/Suite",
      ["EnvoyHarness", nio("NIOCore"), .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    .executableTarget(name: "LimitLine", path: "benchmarks/Limit"),
    .target(name: "CBarePacking", dependencies: ["CWeirProtos"], path: "benchmarks/CBarePacking"),
    .target(name: "CAllocationCounts", path: "benchmarks/CAllocationCounts"),
    program(
      "CompileBenchmark", path: "benchmarks/Compile",
      [
        "CAllocationCounts", "CBarePacking", "TrafficCompiler", "TrafficModel", "XDSSnapshot",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], exclude: ["README.md"]),

    // Hostile bytes for the wire, made and fed; not part of a product.
    library(
      "WireFuzzing",
      [
        "HTTP2Session", "HTTP2Transport", "GRPCTransport", "ProtobufC", "EnvoyAPI", "XDSSnapshot", "XDSServer", logging,
        nio("NIOCore"), nio("NIOEmbedded"), nio("NIOPosix"),
      ]),
    program(
      "WeirFuzz", path: "fuzz/WeirFuzz",
      ["WireFuzzing", "EnvoyHarness", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // Commits to a release store until it is killed; not part of a product.
    program("ReleaseCommits", path: "fuzz/ReleaseCommits", ["ReleaseStores", "ReleaseStoreConformance"]),

    // Releases of a real server, moved at random while it is killed, and under load; not part of a product.
    program(
      "ReleaseTrials", path: "fuzz/ReleaseTrials",
      ["EnvoyHarness", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // Random edits of the core, in an optimised build with its checks on; not part of a product.
    program(
      "RandomEdits", path: "fuzz/RandomEdits", ["Admission", "TrafficCompiler", "TrafficModel", "XDSSnapshot"]),

    tests(of: "HTTP2Session", [nio("NIOCore"), nio("NIOConcurrencyHelpers")]),
    tests(of: "HTTP2Transport", ["HTTP2Session", "WireFuzzing", nio("NIOCore"), nio("NIOPosix"), nio("NIOEmbedded")]),
    tests(
      of: "GRPCTransport",
      ["HTTP2Transport", "HTTP2Session", nio("NIOCore"), nio("NIOPosix"), nio("NIOEmbedded"), logging],
      exclude: ["grpcio_client.py"]),
    tests(
      of: "TransportSecurity",
      [
        "GRPCTransport", "EnvoyHarness", "Telemetry", nio("NIOCore"), nio("NIOPosix"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"), logging,
      ]),
    tests(of: "ProtobufC", ["CWeirProtos"]),
    tests(of: "EnvoyAPI", ["ProtobufC"]),
    tests(of: "IncrementalGraph"),
    tests(of: "XDSSnapshot", ["WireFuzzing"]),
    tests(of: "TrafficCompiler", ["TrafficModel", "XDSSnapshot", "IncrementalGraph", "EnvoyAPI"]),
    tests(of: "ReleaseControl", ["TrafficModel"]),
    tests(
      of: "XDSServer",
      [
        "XDSSnapshot", "EnvoyAPI", "GRPCTransport", "HTTP2Transport", "WireFuzzing", nio("NIOCore"), nio("NIOPosix"),
        nio("NIOEmbedded"), logging,
      ]),
    .testTarget(
      name: "XDSServerEnvoyTests",
      dependencies: [
        "XDSServer", "XDSSnapshot", "EnvoyAPI", "EnvoyBootstrap", "EnvoyHarness", "GRPCTransport", nio("NIOPosix"),
        logging,
      ], swiftSettings: settings),
    tests(of: "ManifestSource", ["TrafficModel", logging]),
    tests(of: "Admission", ["TrafficModel"]),
    tests(of: "StateStore", ["ManifestSource", "TrafficModel", .product(name: "GRDB", package: "GRDB.swift")]),
    tests(of: "ReleaseStores", ["ReleaseStoreConformance"]),
    tests(of: "ReleaseNotifications", ["ReleaseStores", "EnvoyHarness", logging, nio("NIOCore"), nio("NIOPosix")]),
    tests(of: "Telemetry"),
    tests(
      of: "AdminServer", ["ReleaseControl", "Telemetry", "TrafficModel", logging, nio("NIOCore"), nio("NIOPosix")]),
    tests(of: "EnvoyBootstrap", ["EnvoyAPI", "XDSSnapshot", "EnvoyHarness"]),
    tests(
      of: "WeirCommand",
      [
        "Weir", "AdminServer", "EnvoyBootstrap", "ReleaseControl", "Telemetry", "TrafficModel", "XDSServer", logging,
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ]),
    tests(
      of: "Weir",
      [
        "AdminServer", "TrafficModel", "ReleaseControl", "ReleaseStores", "ReleaseNotifications", "XDSSnapshot",
        "XDSServer", "GRPCTransport", "EnvoyAPI", "ManifestSource",
        "StateStore", "Telemetry",
        nio("NIOCore"), nio("NIOPosix"), logging,
      ]),
    tests(
      of: "WeirLoad",
      ["Weir", "EnvoyAPI", "XDSServer", "GRPCTransport", logging, nio("NIOCore"), nio("NIOPosix")]),
    tests(of: "EnvoyHarness"),
    tests(of: "WeirBenchmarks", ["EnvoyHarness"]),
    tests(of: "ReleaseDemo", ["EnvoyHarness"]),
    tests(of: "WireFuzzing", ["GRPCTransport", "XDSSnapshot", nio("NIOCore")]),
    .testTarget(
      name: "HTTP2ConformanceTests",
      dependencies: [
        "GRPCTransport", "HTTP2Transport", "XDSServer", "XDSSnapshot", "EnvoyAPI", nio("NIOCore"), nio("NIOPosix"),
        logging,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "CrashTests",
      dependencies: [
        "EnvoyHarness", "GRPCTransport", "EnvoyAPI", "ReleaseStores", "ReleaseStoreConformance", nio("NIOCore"),
        nio("NIOPosix"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "EnvoyHarness", "EnvoyBootstrap", "ReleaseControl", "TrafficModel", "Weir", "WireFuzzing", "XDSServer", logging,
        nio("NIOCore"),
      ],
      exclude: ["schemathesis"],
      swiftSettings: settings),
  ]
)
