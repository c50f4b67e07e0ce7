import Foundation
import TrafficCompiler
import TrafficModel
import XDSSnapshot

// Compile times: cold, and of one edit, by the number of services. Each service has subsets v1 and v2, a VirtualService that
// splits between them, and one EndpointSlice of 10 endpoints with pods on 20 nodes.
//
//     swift run -c release CompileBenchmark [--repeats N] SERVICES...

var repeats = 1000
var sizes: [Int] = []
var only: String?
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  if argument == "--only" {
    only = arguments.popFirst()
  } else if argument == "--repeats" {
    repeats = arguments.popFirst().flatMap(Int.init) ?? repeats
  } else if let size = Int(argument) {
    sizes.append(size)
  }
}
if sizes.isEmpty { sizes = [1_000, 100_000] }

struct World {
  let endpointsPerService = 10
  let count: Int

  func id(_ service: Int) -> NamespacedName {
    NamespacedName(namespace: "ns-\(service % 100)", name: "service-\(service)")
  }

  func slice(_ service: Int, generation: Int = 0) -> EndpointSlice {
    let id = id(service)
    let endpoints = (0..<endpointsPerService).map { index in
      let host = index == 0 ? generation % 250 : index
      return EndpointSlice.Endpoint(
        addresses: ["10.\(service >> 16).\(service >> 8 & 255).\(host)"], zone: nil,
        nodeName: "node-\((service + index) % 20)",
        pod: NamespacedName(namespace: id.namespace, name: "\(id.name)-\(index)"))
    }
    return EndpointSlice(
      id: NamespacedName(namespace: id.namespace, name: "\(id.name)-abcde"), service: id.name,
      ports: [.init(name: "http", port: 8080)], endpoints: endpoints)
  }

  func rules(_ service: Int, weight: UInt32 = 90) -> VirtualService {
    let id = id(service)
    return VirtualService(
      id: id, hosts: [id.name],
      http: [
        HTTPRoute(destinations: [
          RouteDestination(host: id.name, subset: "v1", weight: weight),
          RouteDestination(host: id.name, subset: "v2", weight: 100 - weight),
        ])
      ])
  }

  func edits() -> [Edit] {
    var edits: [Edit] = []
    for node in 0..<20 {
      edits.append(.upsert(.node(KubernetesNode(name: "node-\(node)", region: "r1", zone: "z\(node % 2)"))))
    }
    for service in 0..<count {
      let id = id(service)
      edits.append(
        .upsert(.service(KubernetesService(id: id, ports: [.init(name: "http", port: 80, applicationProtocol: .http)])))
      )
      edits.append(
        .upsert(
          .destinationRule(
            DestinationRule(
              id: id, host: id.name,
              subsets: [
                .init(name: "v1", labels: ["version": "v1"]), .init(name: "v2", labels: ["version": "v2"]),
              ]))))
      edits.append(.upsert(.virtualService(rules(service))))
      edits.append(.upsert(.endpointSlice(slice(service))))
      for index in 0..<endpointsPerService {
        edits.append(
          .upsert(
            .pod(
              Pod(
                id: NamespacedName(namespace: id.namespace, name: "\(id.name)-\(index)"),
                labels: ["app": id.name, "version": index < 5 ? "v1" : "v2"]))))
      }
    }
    return edits
  }
}

func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
  let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  return pages * 4096
}

func measure(_ count: Int, _ body: (Int) -> Void) -> (median: Double, p99: Double) {
  let clock = ContinuousClock()
  var times: [Double] = []
  for index in 0..<count {
    let time = clock.measure { body(index) }
    times.append(Double(time.components.attoseconds) / 1e12 + Double(time.components.seconds) * 1e6)
  }
  times.sort()
  return (times[count / 2], times[count * 99 / 100])
}

for size in sizes {
  let world = World(count: size)
  var generator = SystemRandomNumberGenerator()
  let compiler = TrafficCompiler(checksReads: false)
  compiler.addClass(ProxyClass(namespace: "ns-0", listenHost: "127.0.0.1", listenPort: 15001))
  let edits = world.edits()
  let before = residentBytes()
  let cold = measure(1) { _ in compiler.apply(edits) }
  let bytes = residentBytes() - before
  func line(_ name: String, _ result: (median: Double, p99: Double)) {
    print(
      "\(size) services: \(name): median \(String(format: "%.1f", result.median)) µs, p99 \(String(format: "%.1f", result.p99)) µs"
    )
  }
  print("\(size) services: cold compile \(Int(cold.median / 1000)) ms, \(bytes / 1_048_576) MiB more resident")
  let slices = (0..<repeats).map { world.slice(Int.random(in: 0..<size, using: &generator), generation: 20 + $0) }
  if only != "weight" {
    line("one endpoint changed", measure(repeats) { compiler.apply([.upsert(.endpointSlice(slices[$0]))]) })
  }
  let rules = (0..<repeats).map {
    world.rules(Int.random(in: 0..<size, using: &generator), weight: UInt32(1 + $0 % 89))
  }
  if only != "endpoint" {
    line("one weight changed", measure(repeats) { compiler.apply([.upsert(.virtualService(rules[$0]))]) })
  }
}
