import EnvoyHarness
import Foundation
import NIOCore

/// Does a well-behaved proxy notice that 2,000 hostile connections are there? benchmarks/Hostile/README.md tells what these
/// do, what is measured, and how exactly.
@main
struct HostileBenchmark {
  static func main() async {
    do {
      raiseDescriptorLimit()
      switch try Options.Command(Array(CommandLine.arguments.dropFirst())) {
      case .help: say(Options.help)
      case .attack(let plan):
        say(String(decoding: try JSONEncoder().encode(Attacker.run(plan)), as: UTF8.self))
      case .pairs(let options): try await run(options) { try await Pairs(scene: $0, options: options).run() }
      case .each(let options): try await run(options) { try await EachKind(scene: $0, options: options).run() }
      }
    } catch {
      FileHandle.standardError.write(Data("HostileBenchmark: \(error)\n".utf8))
      exit(1)
    }
  }

  /// - Throws: what `body` throws, or if it says false.
  private static func run(_ options: Options, _ body: @Sendable (Scene) async throws -> Bool) async throws {
    let scene = try await Scene.start(options)
    let isMet: Bool
    do {
      isMet = try await body(scene)
    } catch {
      let tail = await scene.weir.process.logTail()
      await scene.weir.kill()
      throw HarnessError(.malformed, "\(error)\nthe server's log ends:\n\(tail)")
    }
    await scene.stop()
    guard isMet else { throw HarnessError(.malformed, "not all was met") }
  }
}

struct Options {
  var connections = 2_000
  var pairs = 3
  var window = 60.0
  /// Updates a second.
  var rate = 40.0
  var budget = 0.5
  var seed: UInt64 = 3
  /// Empty: all.
  var kinds: [String] = []
  /// Only what must hold on any machine at any time is judged, not how long it takes.
  var judgesTime = true

  enum Command {
    case help
    case attack(Attacker.Plan)
    case pairs(Options)
    case each(Options)

    init(_ arguments: [String]) throws {
      var options = Options()
      var isEach = false
      var rest = arguments[...]
      func text() throws -> String {
        guard let text = rest.popFirst() else { throw HarnessError(.malformed, "a value is missing; see --help") }
        return text
      }
      func number<Number: LosslessStringConvertible & Comparable & ExpressibleByIntegerLiteral>() throws -> Number {
        guard let value = Number(try text()), value > 0 else {
          throw HarnessError(.malformed, "a positive number is missing; see --help")
        }
        return value
      }
      while let argument = rest.popFirst() {
        switch argument {
        case "--connections": options.connections = try number()
        case "--pairs": options.pairs = try number()
        case "--window": options.window = try number()
        case "--rate": options.rate = try number()
        case "--budget": options.budget = try number()
        case "--seed": options.seed = try number()
        case "--only": options.kinds = try text().split(separator: ",").map(String.init)
        case "--each": isEach = true
        case "--no-times": options.judgesTime = false
        case "--attack":
          let plan = try JSONDecoder().decode(Attacker.Plan.self, from: Data(try text().utf8))
          self = .attack(plan)
          return
        case "--help", "-h":
          self = .help
          return
        default: throw HarnessError(.malformed, "unknown argument \(argument); see --help")
        }
      }
      self = isEach ? .each(options) : .pairs(options)
    }
  }

  static let help = """
    usage: HostileBenchmark [options]
      --connections N   hostile connections (2000)
      --pairs N         pairs of a quiet and a hostile window (3)
      --window SECONDS  length of each (60)
      --rate N          updates a second (40)
      --budget CORES    what the attacker may use (0.5)
      --seed N          of the random bytes (3)
      --only KIND,...   these kinds of attack: \(Attack.all(seed: 1).map(\.name).joined(separator: ", "))
      --each            one kind after the other, and what it costs the server
      --no-times        judge what must hold on any machine, not how long it takes
    """
}

/// Writes a line at once, also where standard output is a pipe.
func say(_ text: String) {
  FileHandle.standardOutput.write(Data((text + "\n").utf8))
}

extension [TimeAmount] {
  /// Of a sorted array: the smallest that at least this part of all stay within (nearest rank), in milliseconds.
  func percentile(_ part: Double) -> Double {
    nearestRank(part).map { Double($0.nanoseconds) / 1e6 } ?? 0
  }
}

func decimals(_ value: Double, _ places: Int = 2) -> String { String(format: "%.\(places)f", value) }

func megabytes(_ bytes: Int) -> String { decimals(Double(bytes) / 1_048_576, 1) }
