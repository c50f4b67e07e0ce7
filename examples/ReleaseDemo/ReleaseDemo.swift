import EnvoyHarness
import Foundation

/// `make demo`: a canary with a rollback, and a blue-green switch and back, on three real sidecar Envoys under constant load.
/// Exits 0 only if no request failed, and every step's share was what was set, within its statistical bound.
@main
struct ReleaseDemo {
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.allSatisfy({ $0 == "--quick" }) else {
      say("usage: ReleaseDemo [--quick]")
      exit(2)
    }
    do {
      let started = ContinuousClock.now
      let mesh = try await DemoMesh.open()
      do {
        // Long enough for a bound of a few percent; --quick for a test of the demo itself.
        let outcome = try await DemoRun(mesh: mesh, requestsPerStep: arguments.isEmpty ? 1000 : 150).run()
        await mesh.close()
        say("\n" + outcome.table)
        guard outcome.complaints.isEmpty else {
          for complaint in outcome.complaints { say("NOT WELL: \(complaint)") }
          exit(1)
        }
        say(
          "\nall went well, in \((ContinuousClock.now - started).components.seconds) s: no request failed, was retried or met "
            + "a closed port, and every share is within its bound")
      } catch {
        say("weir's log:\n\(await mesh.weir.process.logTail())")
        await mesh.close()
        throw error
      }
    } catch {
      FileHandle.standardError.write(Data("release-demo: \(error)\n".utf8))
      exit(1)
    }
  }
}

/// Writes a line at once, also where standard output is a pipe.
func say(_ text: String) {
  FileHandle.standardOutput.write(Data((text + "\n").utf8))
}
