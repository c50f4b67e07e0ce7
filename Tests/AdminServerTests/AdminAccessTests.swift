import AdminServer
import Foundation
import Testing

/// What pages in a browser on this machine cannot do.
@Suite struct AdminAccessTests {
  @Test func pagesOfOthersCannotWrite() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, server in
      for headers in [
        ["origin": "http://evil.example"], ["origin": "null"], ["origin": "https://\(server.address)"],
        ["origin": "http://127.0.0.1"], ["sec-fetch-site": "cross-site"], ["sec-fetch-site": "same-site"],
      ] {
        let response = try await client.send("POST", "/v1/releases/a/promote", headers: headers)
        #expect(response.status == 403, "\(headers)")
        #expect(try response.error().code == "forbidden")
      }
      #expect(releases.calls.isEmpty)
      let own = ["origin": "http://\(server.address)", "sec-fetch-site": "same-origin"]
      #expect(try await client.send("POST", "/v1/releases/a/promote", headers: own).status == 200)
    }
  }

  @Test func aNameThatLeadsHereIsNotEnough() async throws {
    try await withServer(FakeSource(releases: FakeReleases())) { client, _ in
      for host in ["evil.example", "evil.example:\(client.port)", "127.0.0.1.evil.example", "10.0.0.1", "", "[::2]:1"] {
        for path in ["/v1/releases", "/v1/proxies", "/metrics", "/openapi.json"] {
          let response = try await client.send("GET", path, headers: ["host": host])
          #expect(response.status == 403, "\(host)\(path)")
        }
        let write = try await client.send("POST", "/v1/releases/a/pause", headers: ["host": host])
        #expect(write.status == 403, "\(host)")
      }
      for host in ["localhost", "LOCALHOST:1", "a.localhost", "127.0.0.2:80", "[::1]:80", "[::1]"] {
        let response = try await client.send("GET", "/v1/releases", headers: ["host": host])
        #expect(response.status == 200, "\(host)")
      }
    }
  }

  @Test func writesNeedTheToken() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "weir-token-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    #expect(throws: AdminError.self) { try BearerToken(file: file.path) }
    try Data("short\n".utf8).write(to: file)
    let short = #expect(throws: AdminError.self) { try BearerToken(file: file.path) }
    #expect(short?.code == .badToken)
    try Data("0123456789abcdef\n".utf8).write(to: file)
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases), token: BearerToken(file: file.path)) { client, _ in
      func write(_ authorization: String?) async throws -> AdminClient.Response {
        try await client.send(
          "POST", "/v1/releases/a/pause", headers: authorization.map { ["authorization": $0] } ?? [:])
      }
      for wrong in [
        nil, "Bearer", "Bearer x", "Basic 0123456789abcdef", "Bearer 0123456789abcdef0", "Bearer 0123456789abcdee",
      ] {
        let response = try await write(wrong)
        #expect(response.status == 401, "\(wrong ?? "none")")
        #expect(response.headers["www-authenticate"] == "Bearer")
        #expect(try response.error().code == "unauthorized")
      }
      #expect(releases.calls.isEmpty)
      #expect(try await write("Bearer 0123456789abcdef").status == 200)
      #expect(try await write("bearer 0123456789abcdef").status == 200)
      #expect(try await client.send("GET", "/v1/releases").status == 200)
      // It is read again, and while it cannot be, the one before counts.
      try Data("fedcba9876543210".utf8).write(to: file)
      #expect(try await write("Bearer 0123456789abcdef").status == 401)
      #expect(try await write("Bearer fedcba9876543210").status == 200)
      try FileManager.default.removeItem(at: file)
      #expect(try await write("Bearer fedcba9876543210").status == 200)
    }
  }
}
