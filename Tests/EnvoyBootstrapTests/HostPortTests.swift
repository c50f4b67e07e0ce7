import EnvoyBootstrap
import Testing

@Suite struct HostPortTests {
  @Test(arguments: [
    ("127.0.0.1:0", "127.0.0.1", UInt16(0), true), ("[::1]:15010", "::1", 15010, true),
    ("[fe80::1:2]:65535", "fe80::1:2", 65535, true),
    ("weir.shop.svc.cluster.local:80", "weir.shop.svc.cluster.local", 80, false),
    ("localhost:1", "localhost", 1, false), ("0.0.0.0:9", "0.0.0.0", 9, true), ("x-1_b:7", "x-1_b", 7, false),
  ])
  func readsAndWrites(text: String, host: String, port: UInt16, isIPAddress: Bool) throws {
    let address = try HostPort(text)
    #expect(address == HostPort(host: host, port: port))
    #expect(address.description == text)
    #expect(address.isIPAddress == isIPAddress)
  }

  @Test(arguments: [
    "", ":", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+80", "127.0.0.1:8 0",
    "::1:80", "[::1]", "[::1]80", "[127.0.0.1]:80", "[]:80", "[::1:80", "1.2.3:80", "1.2.3.4.5:80", "256.1.1.1:80",
    "a..b:80",
    "a b:80", "http://a:80", "a/b:80", "ü:80", "127.0.0.1:８０",
  ])
  func refuses(text: String) {
    let failure = #expect(throws: HostPort.ParseFailure.self) { try HostPort(text) }
    #expect(failure?.message.contains("\"\(text)\" is not HOST:PORT") == true)
  }
}
