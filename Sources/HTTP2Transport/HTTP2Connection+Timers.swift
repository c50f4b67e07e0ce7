internal import NIOCore

// Timers run on the event loop, so a test with an `EmbeddedEventLoop` moves time by hand.
extension HTTP2Connection {
  /// PING payloads by purpose.
  static let keepaliveProbe: UInt64 = 0x7765_6972_6b61
  static let drainProbe: UInt64 = 0x7765_6972_6472

  func startTimers() {
    // What a TLS handshake has taken is gone.
    let left = configuration.prefaceTimeout.map { max(.zero, $0 - (now - setUp)) }
    prefaceTimer = schedule(left) { connection in
      connection.fail(
        HTTP2ConnectionError(.prefaceTimeout, "the peer did not complete the HTTP/2 preface"),
        goAway: .settingsTimeout)
    }
    startKeepalive()
    startIdleTimer(atMost: configuration.firstStreamTimeout)
  }

  func cancelTimers() {
    prefaceTimer?.cancel()
    keepaliveTimer?.cancel()
    idleTimer?.cancel()
    lingerTimer?.cancel()
    drainTimer?.cancel()
    stallTimer?.cancel()
    (prefaceTimer, keepaliveTimer, idleTimer, lingerTimer, drainTimer, stallTimer) = (nil, nil, nil, nil, nil, nil)
  }

  func stopPrefaceTimer() {
    prefaceTimer?.cancel()
    prefaceTimer = nil
  }

  // MARK: Keepalive: any bytes count as life; only silence is probed.

  private func startKeepalive() {
    heardSinceProbe = false
    keepaliveTimer = schedule(configuration.keepaliveInterval) { connection in
      if connection.heardSinceProbe {
        connection.startKeepalive()
      } else {
        connection.probe()
      }
    }
  }

  private func probe() {
    session.ping(Self.keepaliveProbe)
    scheduleFlush()
    keepaliveTimer = schedule(configuration.keepaliveTimeout) { connection in
      if connection.heardSinceProbe {
        connection.startKeepalive()
      } else {
        // A peer that is silent will not read a GOAWAY either, and bytes for it may be stuck before that.
        connection.closeNow(HTTP2ConnectionError(.keepaliveTimeout, "the peer did not answer a keepalive PING"))
      }
    }
  }

  // MARK: Idle

  func startIdleTimer(atMost limit: TimeAmount? = nil) {
    idleTimer?.cancel()
    idleTimer = schedule([configuration.idleTimeout, limit].compactMap(\.self).min()) { connection in
      guard connection.streams.isEmpty else { return }
      connection.fail(HTTP2ConnectionError(.idle, "no stream was open for the idle time"), goAway: .noError)
    }
  }

  func stopIdleTimer() {
    idleTimer?.cancel()
    idleTimer = nil
  }

  // MARK: Drain

  func startDrainTimer() {
    drainTimer = schedule(configuration.drainProbeTimeout) { $0.takeNoMoreStreams() }
  }

  // MARK: Linger

  func startLingerTimer() {
    lingerTimer?.cancel()
    lingerTimer = schedule(configuration.lingerTimeout) { connection in
      connection.closeNow(HTTP2ConnectionError(.closedLocally, "the last bytes could not be written in time"))
    }
  }

  func schedule(
    _ delay: TimeAmount?, _ work: @escaping (HTTP2Connection) -> Void
  ) -> LoopTimers.Timer? {
    guard let delay, let timers else { return nil }
    // The timer keeps the connection, and `tearDown` cancels it. A weak reference would give the connection a side
    // table, which makes every retain and release of it slow from then on.
    return timers.schedule(in: delay) { [self] in work(self) }
  }
}
