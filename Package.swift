// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "weir",
  dependencies: [
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0")
  ],
  targets: [
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .target(name: "TrafficModel"),
    .target(
      name: "XDSSnapshot",
      dependencies: ["CXXHash", .product(name: "HashTreeCollections", package: "swift-collections")]),
  ]
)
