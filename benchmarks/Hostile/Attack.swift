import EnvoyAPI

/// What one kind of hostile connection does, as data: bytes made once and sent over and over.
struct Attack: Sendable {
  /// What it does with what the server sends.
  enum Reading: Sendable {
    case all
    case nothing
    /// So many bytes each turn.
    case slowly(Int)
  }

  /// What it does when it has sent everything.
  enum Ending: Sendable {
    /// Sends the bytes from there on again.
    case again(from: Int)
    case hold
    /// An orderly close, and back after the pause.
    case close
    /// A close that the server sees as a reset.
    case abort
  }

  /// What it says to a response; the text is the response's nonce.
  enum Answer: Sendable {
    /// Refuses it, and asks anew.
    case refusing
    /// Accepts it and those that are to come, whose nonces can be told, and asks for more with each.
    case acceptingAndAskingForMore

    func messages(to nonce: String) -> [UInt8] {
      switch self {
      case .refusing:
        return HostileBytes.message(
          1,
          HostileBytes.request(
            TypeURL.cluster, node: nil, subscribe: ["*"], nonce: nonce, refusal: String(repeating: "no ", count: 300)))
      case .acceptingAndAskingForMore:
        let parts = nonce.split(separator: ".")
        let count = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        return (0..<20).flatMap { next in
          HostileBytes.message(
            1,
            HostileBytes.request(
              TypeURL.cluster, node: nil, subscribe: ["*", "more-\(count + next)"],
              unsubscribe: ["more-\(count + next - 1)"],
              nonce: next == 0 ? nonce : "\(parts.first ?? "").\(count + next)"))
        }
      }
    }
  }

  var name: String
  /// Makes the bytes: one script for each connection, the next one when it comes back.
  var scripts: @Sendable () -> [[UInt8]]
  /// Bytes at a time, and the time between them.
  var chunk: Int
  var turn: Milliseconds
  var reading: Reading
  var ending: Ending
  /// From being thrown out, or having closed, to the next connection.
  var pause: Milliseconds
  /// Whether the protocol, or reason, says that the server ends such a connection, and soon.
  var isToBeThrownOut: Bool
  /// What it says to each response.
  var answer: Answer?
  /// The socket's receive buffer; the system's choice if nil.
  var receiveBuffer: Int32?

  init(
    name: String, scripts: @autoclosure @escaping @Sendable () -> [[UInt8]], chunk: Int = 16_384,
    turn: Milliseconds = 50, reading: Reading = .all, ending: Ending = .close, pause: Milliseconds = 1_000,
    isToBeThrownOut: Bool = false, answer: Answer? = nil, receiveBuffer: Int32? = nil
  ) {
    self.name = name
    self.scripts = scripts
    self.chunk = chunk
    self.turn = turn
    self.reading = reading
    self.ending = ending
    self.pause = pause
    self.isToBeThrownOut = isToBeThrownOut
    self.answer = answer
    self.receiveBuffer = receiveBuffer
  }
}

typealias Milliseconds = Int64
