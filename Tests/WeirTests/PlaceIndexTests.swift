import Testing
import TrafficModel

@testable import Weir

/// The index names the slices that hold a place, whatever was taken before.
@Suite struct PlaceIndexTests {
  private func slice(_ name: String, _ pods: [Int]) -> EndpointSlice {
    EndpointSlice(
      id: NamespacedName(namespace: "shop", name: name), service: "web", ports: [],
      endpoints: pods.map {
        .init(addresses: ["10.0.0.\($0)"], pod: NamespacedName(namespace: "shop", name: "p-\($0)"))
      })
  }

  @Test func itNamesTheSlicesThatAreThere() {
    var state: UInt64 = 3
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var index = PlaceIndex()
    var slices: [String: [Int]] = [:]
    for step in 0..<3_000 {
      let name = "s-\(next(12))"
      if next(4) == 0 {
        slices[name] = nil
        index.remove(NamespacedName(namespace: "shop", name: name))
      } else {
        // Some pods twice, and many in several slices.
        slices[name] = (0..<next(8)).map { _ in next(20) }
        index.replace(slice(name, slices[name]!))
      }
      let pod = next(20)
      let expected = slices.filter { $0.value.contains(pod) }.keys.sorted()
      for place in [Place.pod(NamespacedName(namespace: "shop", name: "p-\(pod)")), .address("10.0.0.\(pod)")] {
        #expect(index.slices(at: place).map(\.name).sorted() == expected, "step \(step)")
      }
    }
    for name in slices.keys { index.remove(NamespacedName(namespace: "shop", name: name)) }
    #expect((0..<20).allSatisfy { index.slices(at: .address("10.0.0.\($0)")).isEmpty })
  }
}
