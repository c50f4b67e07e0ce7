internal import HTTP2Session
internal import NIOCore

/// What waits for a peer that takes nothing: streams whose window stays shut, and a socket that stays full.
///
/// It is looked at now and then while anything waits at all, and not for each write; a stall is found between one and one
/// and a quarter stall times after the last byte was taken.
struct StallWatch {
  private struct Wait {
    var sentBytes: UInt64
    var since: NIODeadline
  }

  private var waits: [HTTP2StreamID: Wait] = [:]
  private var channelIsFullSince: NIODeadline?

  mutating func channelIsFull(at now: NIODeadline) { channelIsFullSince = channelIsFullSince ?? now }
  mutating func channelIsWritable() { channelIsFullSince = nil }

  enum Verdict {
    case channelStalled
    /// These streams have stalled; there is more to watch or not.
    case streams([HTTP2StreamID], watchesOn: Bool)
  }

  /// - Parameter waiting: the streams that wait now, with what has been sent of each.
  mutating func look(
    at now: NIODeadline, limit: TimeAmount, waiting: [(id: HTTP2StreamID, sentBytes: UInt64)]
  ) -> Verdict {
    if let since = channelIsFullSince, now - since >= limit { return .channelStalled }
    var stalled: [HTTP2StreamID] = []
    var next: [HTTP2StreamID: Wait] = [:]
    for stream in waiting {
      guard let known = waits[stream.id], known.sentBytes == stream.sentBytes else {
        next[stream.id] = Wait(sentBytes: stream.sentBytes, since: now)
        continue
      }
      if now - known.since >= limit {
        stalled.append(stream.id)
      } else {
        next[stream.id] = known
      }
    }
    waits = next
    return .streams(stalled, watchesOn: !next.isEmpty || channelIsFullSince != nil)
  }
}

extension HTTP2Connection {
  /// Something waits for the peer from now on.
  func watchForStall() {
    guard stallTimer == nil, let limit = configuration.stallTimeout else { return }
    stallTimer = schedule(.nanoseconds(limit.nanoseconds / 4)) { connection in
      connection.stallTimer = nil
      connection.lookForStall(limit)
    }
  }

  private func lookForStall(_ limit: TimeAmount) {
    guard let now = context?.eventLoop.now else { return }
    let waiting = streams.keys.compactMap { id in session.sentBytesOfWaiting(id).map { (id: id, sentBytes: $0) } }
    switch stallWatch.look(at: now, limit: limit, waiting: waiting) {
    case .channelStalled:
      closeNow(HTTP2ConnectionError(.writeStall, "the peer has not read for the stall time"))
    case .streams(let stalled, let watchesOn):
      for id in stalled {
        delegate?.connection(self, reached: .writeStall)
        streams[id]?.reset(.enhanceYourCalm)
      }
      if watchesOn { watchForStall() }
    }
  }
}
