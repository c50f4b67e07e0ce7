import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@testable import WeirCommand

/// `weir serve` with hardly any file descriptors.
@Suite(.timeLimit(.minutes(1))) struct DescriptorTests {
  private struct Outcome {
    var opened = 0
    var closedByServer = 0
    var metrics = ""
    var processorTime: TimeInterval = 0
  }

  @Test func withoutDescriptorsConnectionsAreRefusedQuicklyAndTheServerLives() async throws {
    let outcome = try await withCheckedThrowingContinuation { continuation in
      // Off the threads of Swift's pool: everything in it blocks.
      Thread.detachNewThread { continuation.resume(with: Result { try Self.run() }) }
    }
    #expect(outcome.opened == 120)
    // 80 descriptors are too few for 120 connections; none of those left over waits in the listener's queue.
    #expect(outcome.closedByServer >= 40)
    let refused = outcome.metrics.split(separator: "\n").first {
      $0.hasPrefix("weir_grpc_connections_refused_total{reason=\"descriptors\"}")
    }
    let count = try #require(refused?.split(separator: " ").last.flatMap { Int($0.filter(\.isNumber)) })
    #expect(count >= 40)
    // An event loop that is told of the same connection for ever would use the whole second that was waited.
    #expect(outcome.processorTime < 0.5)
  }

  private static func run() throws -> Outcome {
    let folder = FileManager.default.temporaryDirectory.appending(path: "weir-descriptors-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let executable = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "weir")
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = [
      "-c", "ulimit -n 80 && exec \"$@\"", "sh", executable.path, "serve", "--manifests", folder.path, "--xds",
      "127.0.0.1:0", "--admin", "127.0.0.1:0", "--max-connections", "1000", "--log-level", "error",
      "--no-state",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    let line = output.fileHandleForReading.availableData
    let ready = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
    func port(_ key: String) throws -> UInt16 {
      try #require((ready[key] as? String)?.split(separator: ":").last.flatMap { UInt16($0) })
    }

    var outcome = Outcome()
    var sockets: [Int32] = []
    defer { for socket in sockets { close(socket) } }
    for _ in 0..<120 {
      guard let socket = connected(to: try port("xds")) else { continue }
      outcome.opened += 1
      sockets.append(socket)
    }
    for socket in sockets where endsWithin(milliseconds: 100, socket) { outcome.closedByServer += 1 }
    let before = processorTime(of: process.processIdentifier)
    for _ in 0..<10 {
      // A connection more each time, for as long as there are none.
      if let socket = connected(to: try port("xds")) {
        _ = endsWithin(milliseconds: 100, socket)
        close(socket)
      }
    }
    outcome.processorTime = processorTime(of: process.processIdentifier) - before
    for socket in sockets { close(socket) }
    sockets = []
    outcome.metrics = try metrics(try port("admin"))
    return outcome
  }

  private static func connected(to port: UInt16) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0 { return descriptor }
    close(descriptor)
    return nil
  }

  /// Whether the other end closes in time; the SETTINGS of one that stays open is read on the way.
  private static func endsWithin(milliseconds: Int32, _ descriptor: Int32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4096)
    for _ in 0..<10 {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return false }
      if read(descriptor, &bytes, bytes.count) <= 0 { return true }
    }
    return false
  }

  private static func metrics(_ port: UInt16) throws -> String {
    // The descriptors come back when the server has seen the ends of the connections.
    for _ in 0..<100 {
      guard let descriptor = connected(to: port) else { continue }
      defer { close(descriptor) }
      let request = Array("GET /metrics HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n".utf8)
      _ = send(descriptor, request, request.count, Int32(MSG_NOSIGNAL))
      var text = ""
      var bytes = [UInt8](repeating: 0, count: 65_536)
      while true {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&poll, 1, 2000) > 0 else { break }
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { break }
        text += String(decoding: bytes[..<count], as: UTF8.self)
      }
      if text.contains("weir_grpc_connections_refused_total") { return text }
    }
    return ""
  }

  /// User and system time of a process so far, in seconds.
  private static func processorTime(of id: Int32) -> TimeInterval {
    guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
      let fields = text.split(separator: ")").last?.split(separator: " "), fields.count > 12
    else { return 0 }
    return (Double(fields[11]) ?? 0) / 100 + (Double(fields[12]) ?? 0) / 100
  }
}
