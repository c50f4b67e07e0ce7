import Testing
import TrafficModel

@Suite struct HashTableTests {
  @Test(arguments: [1_024, 0, 8_388_608]) func aRing(_ size: UInt64) {
    #expect(LoadBalancer.HashTable.ring(minimumSize: size).isValid)
  }

  @Test(arguments: [2, 3, 5, 65_537, 5_000_011]) func aPrimeTable(_ size: UInt64) {
    #expect(LoadBalancer.HashTable.maglev(tableSize: size).isValid)
  }

  @Test(arguments: [0, 1, 4, 9, 65_536, 4_999_999 - 1, 5_000_077]) func anotherTable(_ size: UInt64) {
    #expect(!LoadBalancer.HashTable.maglev(tableSize: size).isValid)
  }

  @Test func theBounds() {
    #expect(!LoadBalancer.HashTable.ring(minimumSize: 8_388_609).isValid)
    #expect(LoadBalancer.HashTable.maglev(tableSize: nil).isValid)
  }
}
