import Logging
import UnixSignals

/// A control plane that serves, as `weir serve` sees it.
protocol ServingControlPlane: Sendable {
  var addresses: ServedAddresses { get }

  /// Returns when it has stopped; throws what stopped it.
  func waitUntilStopped() async throws
  /// Refuses new streams, ends the open ones in an orderly way, and returns at the latest after the time.
  func drain(within time: Duration) async
}

/// The life of `weir serve`, from start to exit.
///
///     starting ──started──▶ serving ──signal──▶ draining ──drained──▶ run() returns, exit 0
///        │  signal: the start is cancelled;        │
///        │  what started nevertheless is drained   └─ a second signal: exit at once
///        └─ failed: run() throws, exit 1
struct ServeSession: Sendable {
  var options: ServeOptions
  var logger: Logger
  /// Binds and reads the sources for the first time.
  var start: @Sendable (ServeOptions, Logger) async throws -> any ServingControlPlane
  /// Takes the line that says where it serves.
  var announce: @Sendable (String) throws -> Void
  var exitAtOnce: @Sendable () -> Void

  private enum Event: Sendable {
    case started(Result<any ServingControlPlane, any Error>)
    case signal(UnixSignal)
    case stopped((any Error)?)
    case drained
  }

  /// Returns once it has drained after a signal.
  /// - Throws: what kept it from starting, or stopped it.
  func run<Signals: AsyncSequence & Sendable>(signals: Signals) async throws where Signals.Element == UnixSignal {
    let (events, continuation) = AsyncStream.makeStream(of: Event.self)
    // Not children of this function: it must return though a control plane that failed to stop keeps one of them.
    var tasks = [
      Task { for try await signal in signals { continuation.yield(.signal(signal)) } },
      Task {
        do {
          continuation.yield(.started(.success(try await start(options, logger))))
        } catch {
          continuation.yield(.started(.failure(error)))
        }
      },
    ]
    defer { for task in tasks { task.cancel() } }
    var plane: (any ServingControlPlane)?
    var isEnding = false
    for await event in events {
      switch event {
      case .started(.failure) where isEnding:
        return
      case .started(.failure(let error)):
        throw error
      case .started(.success(let started)):
        plane = started
        if isEnding {
          tasks.append(drain(started, continuation))
        } else {
          try announce(started.addresses.readyLine())
          logger.info("Serving", metadata: started.addresses.metadata.mapValues { .string($0) })
          tasks.append(watch(started, continuation))
        }
      case .signal(let signal) where isEnding:
        logger.warning("A second signal: exiting at once", metadata: ["signal": "\(signal)"])
        exitAtOnce()
        return
      case .signal(let signal):
        isEnding = true
        logger.info("Draining", metadata: ["signal": "\(signal)", "at-most": "\(options.drainTime)"])
        if let plane {
          tasks.append(drain(plane, continuation))
        } else {
          tasks[1].cancel()
        }
      case .stopped where isEnding:
        break
      case .stopped(let error):
        throw error ?? CommandFailure("the control plane stopped by itself")
      case .drained:
        logger.info("Drained")
        return
      }
    }
  }

  private func watch(
    _ plane: any ServingControlPlane, _ events: AsyncStream<Event>.Continuation
  ) -> Task<Void, any Error> {
    Task {
      do {
        try await plane.waitUntilStopped()
        events.yield(.stopped(nil))
      } catch {
        events.yield(.stopped(error))
      }
    }
  }

  private func drain(
    _ plane: any ServingControlPlane, _ events: AsyncStream<Event>.Continuation
  ) -> Task<Void, any Error> {
    Task {
      await plane.drain(within: options.drainTime)
      events.yield(.drained)
    }
  }
}
