import EnvoyHarness
import Foundation
import Glibc

/// What the kernel says of the server's process (proc(5)).
struct ServerProbe: Sendable {
  let processID: Int32
  let logPath: String

  /// In bytes. What is not its own is the program and its libraries, as far as they were touched.
  struct Memory {
    var resident: Int
    var anonymous: Int
  }

  var memory: Memory { Memory(resident: residentMemory, anonymous: status("RssAnon:") * 1024) }

  /// Resident memory in bytes.
  var residentMemory: Int { status("VmRSS:") * 1024 }
  var peakMemory: Int { status("VmHWM:") * 1024 }

  private func status(_ key: String) -> Int {
    let text = (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
  }

  /// Open sockets. Other descriptors do not count: the first sleeping task makes the runtime open a timer, for example.
  var sockets: Int {
    let directory = "/proc/\(processID)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.filter {
      // One that has been closed meanwhile is no socket any more.
      (try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + $0))?.hasPrefix("socket:") ?? false
    }.count
  }

  /// Seconds of CPU, user and system.
  var cpu: Double {
    let text = (try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8)) ?? ""
    // The name, in parentheses, may hold anything.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Lines and bytes of the server's log.
  var log: (lines: Int, bytes: Int) {
    guard let data = FileManager.default.contents(atPath: logPath) else { return (0, 0) }
    return (data.reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }, data.count)
  }
}

extension Metrics {
  /// The counters that differ from those of `before`, by name and labels.
  func growth(since before: Metrics) -> [(name: String, by: Double)] {
    func key(_ sample: Sample) -> String {
      let labels = sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
      return labels.isEmpty ? sample.name : "\(sample.name){\(labels)}"
    }
    let old = Dictionary(before.samples.map { (key($0), $0.value) }) { first, _ in first }
    return samples.filter { $0.name.hasSuffix("_total") }.compactMap { sample in
      let growth = sample.value - (old[key(sample)] ?? 0)
      return growth > 0 ? (key(sample), growth) : nil
    }
  }

  /// The upper bound, in seconds, of the bucket in which a histogram's percentile lies, of what was recorded since.
  func percentile(_ part: Double, of histogram: String, since before: Metrics) -> Double? {
    func buckets(_ metrics: Metrics) -> [Double: Double] {
      let found = metrics.samples.filter { $0.name == histogram + "_bucket" }
      return Dictionary(found.map { (Double($0.labels["le"] ?? "") ?? .infinity, $0.value) }) { $0 + $1 }
    }
    let old = buckets(before)
    let grown = buckets(self).map { (bound: $0.key, count: $0.value - (old[$0.key] ?? 0)) }.sorted {
      $0.bound < $1.bound
    }
    guard let total = grown.last?.count, total > 0 else { return nil }
    return grown.first { $0.count >= total * part }?.bound
  }
}
