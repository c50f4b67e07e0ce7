import Foundation
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Testing

/// The file of a Unix socket: its permissions, what it replaces, and its end.
@Suite(.timeLimit(.minutes(1))) struct UnixSocketTests {
  private func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = "/tmp/weir-unix-\(UInt32.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
  }

  private func attributes(_ path: String) -> stat? {
    var raw = stat()
    return lstat(path, &raw) == 0 ? raw : nil
  }

  private func code(_ body: () async throws -> Void) async -> UnixSocketError.Code? {
    let error = await #expect(throws: UnixSocketError.self) { try await body() }
    return error?.code
  }

  @Test(arguments: [0o600, 0o660, 0o666, 0o222] as [UInt16])
  func permissions(mode: UInt16) async throws {
    try await withFolder { folder in
      let path = folder + "/xds.sock"
      try await withServer { server in
        _ = try await server.server.bind(to: .unix(path: path), unixMode: mode)
        let status = try #require(attributes(path))
        #expect(status.st_mode & S_IFMT == S_IFSOCK)
        #expect(status.st_mode & 0o777 == mode_t(mode))
        let client = try await GRPCClient.connect(to: .unix(path: path), group: server.group)
        let call = await client.probe("/test/Echo")
        try await call.run { $0.send(ByteBuffer(string: "local")) }
        #expect(try await call.message() == ByteBuffer(string: "local"))
      }
      #expect(attributes(path) == nil, "gone after the shutdown")
    }
  }

  @Test func thePermissionsWithoutAWord() async throws {
    try await withFolder { folder in
      let path = folder + "/xds.sock"
      try await withServer(address: .unix(path: path)) { _ in
        let found = try #require(attributes(path))
        #expect(found.st_mode & 0o777 == 0o600)
      }
    }
  }

  /// A server that was killed leaves its file behind.
  @Test func aLeftOverSocketIsReplaced() async throws {
    try await withFolder { folder in
      let path = folder + "/xds.sock"
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      #expect(bindAt(path, descriptor) == 0)
      close(descriptor)
      try await withServer(address: .unix(path: path)) { server in
        let client = try await server.connect()
        await client.close()
      }
    }
  }

  @Test func aSocketThatSomebodyListensOnIsLeftAlone() async throws {
    try await withFolder { folder in
      let path = folder + "/xds.sock"
      try await withServer(address: .unix(path: path)) { first in
        #expect(await code { _ = try await first.server.bind(to: .unix(path: path)) } == .inUse)
        let client = try await first.connect()
        let call = await client.probe("/test/Echo")
        try await call.run { $0.send(ByteBuffer(string: "still here")) }
        #expect(try await call.message() == ByteBuffer(string: "still here"))
      }
    }
  }

  @Test func whatIsNoSocketIsLeftAlone() async throws {
    try await withFolder { folder in
      let file = folder + "/precious"
      try Data("precious".utf8).write(to: URL(fileURLWithPath: file))
      let link = folder + "/link"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
      try await withServer { server in
        for path in [file, link, folder] {
          #expect(await code { _ = try await server.server.bind(to: .unix(path: path)) } == .notASocket)
        }
      }
      #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["link", "precious"])
    }
  }

  /// At the end the file is removed only if it is the one that was made: a successor may have put its own there.
  @Test func aSuccessorsSocketOutlivesUs() async throws {
    try await withFolder { folder in
      let path = folder + "/xds.sock"
      try await withServer { second in
        try await withServer(address: .unix(path: path)) { _ in
          // Files made within one tick of the file system's clock may look the same in all respects.
          let ours = try #require(attributes(path)).st_mtim
          try FileManager.default.removeItem(atPath: path)
          var now = ours
          while (now.tv_sec, now.tv_nsec) == (ours.tv_sec, ours.tv_nsec) {
            try Data().write(to: URL(fileURLWithPath: folder + "/tick"))
            now = try #require(attributes(folder + "/tick")).st_mtim
          }
          _ = try await second.server.bind(to: .unix(path: path))
        }
        let client = try await GRPCClient.connect(to: .unix(path: path), group: second.group)
        await client.close()
      }
    }
  }

  @Test func aPathThatDoesNotFit() async throws {
    try await withFolder { folder in
      let fits = folder + "/" + String(repeating: "x", count: 107 - folder.utf8.count - 1)
      try await withServer(address: .unix(path: fits)) { server in
        let client = try await server.connect()
        await client.close()
        for (path, expected) in [
          (fits + "x", UnixSocketError.Code.badPath), ("", .badPath), ("/does/not/exist/s", .system),
        ] {
          #expect(await code { _ = try await server.server.bind(to: .unix(path: path)) } == expected)
        }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
    }
  }

  private func bindAt(_ path: String, _ descriptor: CInt) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
