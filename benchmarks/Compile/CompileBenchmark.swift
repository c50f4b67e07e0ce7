import ArgumentParser
import CAllocationCounts
import Foundation
import TrafficCompiler
import XDSSnapshot

/// What the compiler costs. benchmarks/Compile/README.md tells how it is measured.
@main
struct CompileBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Times the compiler: each kind of edit by the number of services, and a full compile beside libprotobuf-c.")

  @Argument(help: "Numbers of services for the edits.")
  var services: [Int] = [100, 1_000, 10_000, 100_000]

  @Option(help: "Kinds of edits, separated by commas: \(EditKind.allCases.map(\.rawValue).joined(separator: ", ")).")
  var only: String?

  @Option(help: "Edits of each kind.")
  var repeats = 1_000

  @Option(help: "Services of the full compile; 0 leaves it out.")
  var full = 10_000

  @Option(help: "Full compiles and packings, in turns.")
  var fullRepeats = 5

  @Option(help: "Chooses the services that are edited.")
  var seed: UInt64 = 1

  @Flag(help: "Record each edit's steps, as `weir serve` does for `weir why`, and take them after the clock.")
  var recording = false

  @Flag(help: "A JSON object a line.")
  var json = false

  func validate() throws {
    guard services.allSatisfy({ $0 > 1 }), repeats > 0, full >= 0, fullRepeats > 0 else {
      throw ValidationError("numbers are positive, and there are at least 2 services")
    }
    _ = try kinds()
  }

  private func kinds() throws -> [EditKind] {
    guard let only else { return EditKind.allCases }
    return try only.split(separator: ",").map { name in
      guard let kind = EditKind(rawValue: String(name)) else { throw ValidationError("there is no edit \(name)") }
      return kind
    }
  }

  func run() throws {
    if full > 0 { try compileInFull() }
    var figures: [EditKind: [(services: Int, median: Double)]] = [:]
    for count in services {
      for (kind, measurement) in try edit(count) { figures[kind, default: []].append((count, measurement.median)) }
    }
    for kind in EditKind.allCases {
      guard let figures = figures[kind], let first = figures.first, let last = figures.last, figures.count > 1 else {
        continue
      }
      for other in figures.dropLast() where other.services == 1_000 || other.services == first.services {
        let (ratio, more) = (last.median / other.median, last.median - other.median)
        say(
          Line(
            "\(kind.title): \(String(format: "%.2f", ratio)) × or \(String(format: "%+.1f", more)) µs with "
              + "\(last.services) services against \(other.services)",
            [
              ("benchmark", "compile"), ("figure", "growth"), ("edit", kind.rawValue), ("services", last.services),
              ("against", other.services), ("ratio", ratio), ("more_us", more),
            ]))
      }
    }
  }

  private func compiler() -> TrafficCompiler {
    let compiler = TrafficCompiler(checksReads: false)
    compiler.addClass(ProxyClass(namespace: "ns-0", listenHost: "127.0.0.1", listenPort: 15001))
    return compiler
  }

  /// A full compile and the bare packing of its messages, in turns, so that both meet the same machine.
  private func compileInFull() throws {
    let edits = World().edits(services: full)
    let first = compiler()
    let packing = try BarePacking(first.apply(edits))
    var (compiles, packings) = (Measurement(), Measurement())
    var bytes = 0
    for _ in 0..<fullRepeats {
      let compiler = compiler()
      compiles.add { compiler.apply(edits) }
      packings.add { bytes = packing.pack() }
      packing.discard()
    }
    let ratio = compiles.median / packings.median
    let processorRatio = compiles.medianProcessorTime / packings.medianProcessorTime
    say(
      Line(
        "\(full) services: full compile \(milliseconds(compiles.median)) ms; bare packing of its \(packing.count) messages, "
          + "\(bytes) bytes, \(milliseconds(packings.median)) ms; ratio \(String(format: "%.2f", ratio)), of processor time "
          + "\(String(format: "%.2f", processorRatio)); \(compiles.medianAllocations / UInt64(full)) allocations a service "
          + "(medians of \(fullRepeats))",
        [
          ("benchmark", "compile"), ("figure", "full"), ("services", full), ("compile_ms", compiles.median / 1000),
          ("packing_ms", packings.median / 1000), ("messages", packing.count), ("bytes", bytes), ("ratio", ratio),
          ("processor_ratio", processorRatio), ("compile_processor_ms", compiles.medianProcessorTime / 1000),
          ("repeats", fullRepeats),
        ]))
  }

  private func edit(_ count: Int) throws -> [(EditKind, Measurement)] {
    let compiler = compiler()
    let before = residentBytes()
    var cold = Measurement()
    do {
      let edits = World().edits(services: count)
      cold.add { compiler.apply(edits) }
    }
    say(
      Line(
        "\(count) services: cold compile \(milliseconds(cold.median)) ms, "
          + "\((residentBytes() - before) >> 20) MiB more resident with the objects",
        [
          ("benchmark", "compile"), ("figure", "cold"), ("services", count), ("compile_ms", cold.median / 1000),
          ("resident_mib", (residentBytes() - before) >> 20),
        ]))
    compiler.recordedSteps = recording ? 500 : 0
    var editor = Editor(services: count, seed: seed)
    var results: [(EditKind, Measurement)] = []
    let kinds = try kinds()
    for kind in kinds where kind != .add && kind != .remove {
      results.append((kind, try measure([kind], compiler, &editor)[0]))
    }
    if kinds.contains(.add) || kinds.contains(.remove) {
      let pair: [EditKind] = [.remove, .add]
      compiler.apply(editor.next(.remove))
      for (kind, measurement) in zip(pair, try measure(pair, compiler, &editor)) where kinds.contains(kind) {
        results.append((kind, measurement))
      }
      compiler.apply(editor.rest())
    }
    for (kind, measurement) in results {
      let allocations = allocation_counting_works() == 1 ? measurement.medianAllocations : 0
      say(
        Line(
          "\(count) services: \(kind.title): median \(microseconds(measurement.median)) µs, "
            + "p99 \(microseconds(measurement.percentile(99))) µs, \(allocations) allocations",
          [
            ("benchmark", "compile"), ("figure", "edit"), ("edit", kind.rawValue), ("services", count),
            ("median_us", measurement.median), ("p99_us", measurement.percentile(99)), ("allocations", allocations),
            ("repeats", repeats),
          ]))
    }
    return results
  }

  /// The edits are made before the clock starts: in a server the decoder has just made them.
  private func measure(
    _ kinds: [EditKind], _ compiler: TrafficCompiler, _ editor: inout Editor
  ) throws -> [Measurement] {
    var measurements = kinds.map { _ in Measurement() }
    for _ in 0..<repeats {
      for (index, kind) in kinds.enumerated() {
        let edits = editor.next(kind)
        let before = compiler.generation.number
        measurements[index].add { compiler.apply(edits) }
        if recording { _ = compiler.takeChange() }
        guard compiler.generation.number == before + 1 else { throw BenchmarkError.noChange(kind) }
      }
    }
    return measurements
  }

  private func milliseconds(_ microseconds: Double) -> String { String(format: "%.1f", microseconds / 1000) }
  private func microseconds(_ microseconds: Double) -> String { String(format: "%.1f", microseconds) }

  private func say(_ line: Line) {
    FileHandle.standardOutput.write(Data(((json ? line.json : line.text) + "\n").utf8))
  }
}
