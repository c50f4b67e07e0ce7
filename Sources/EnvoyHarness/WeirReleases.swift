/// The releases of a `weir serve`, over its HTTP API, as a program in any language uses it.
public struct WeirReleases: Sendable {
  /// The server has refused something, and changed nothing.
  public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    public var status: Int
    /// As in `notAllowed`.
    public var code: String
    public var message: String

    public var description: String { "\(status) \(code): \(message)" }
  }

  /// Where the server's admin interface listens, `IP:PORT`.
  public let admin: String

  public init(admin: String) { self.admin = admin }

  /// - Parameters:
  ///   - spec: JSON, with `actor` and `reason` if they matter.
  ///   - key: by which the request may be repeated.
  /// - Throws: ``Refusal``; ``HarnessError`` `connection` if there was no answer, and so no knowing.
  public func start(_ spec: String, key: String? = nil) async throws -> JSON {
    try await post("/v1/releases", spec, key)
  }

  /// - Parameters:
  ///   - action: as in the path: `approve`, `set-weight`.
  ///   - body: JSON, as `{"weight": 20, "reason": "…"}`.
  public func move(_ id: String, _ action: String, _ body: String = "{}", key: String? = nil) async throws -> JSON {
    try await post("/v1/releases/\(id)/\(action)", body, key)
  }

  public func status(of id: String) async throws -> JSON { try await get("/v1/releases/\(id)") }

  public func list() async throws -> [JSON] { try await get("/v1/releases")["releases"].array }

  /// The report of where it is live, as soon as that is everywhere or the time is over.
  public func live(_ id: String, waitSeconds: Int) async throws -> JSON {
    try await get("/v1/releases/\(id)/live?wait=\(waitSeconds)s", timeout: .seconds(waitSeconds + 10))
  }

  /// The ledger after an entry, all of it by default, oldest first.
  public func ledger(after sequence: Int = 0) async throws -> [JSON] {
    var lines: [JSON] = []
    while true {
      let last = lines.last?["sequence"].integer ?? sequence
      let page = try await get("/v1/ledger?after=\(last)&limit=1000")["entries"].array
      if page.isEmpty { return lines }
      lines += page
    }
  }

  /// What is wrong with the ledger; nil if it is as it was written.
  public func ledgerFinding() async throws -> String? { try await get("/v1/ledger/verify")["finding"].string }

  private func get(_ path: String, timeout: Duration = .seconds(10)) async throws -> JSON {
    try answer(try await HTTPCall.get(admin, path, timeout: timeout))
  }

  private func post(_ path: String, _ body: String, _ key: String?) async throws -> JSON {
    var headers = ["content-type": "application/json"]
    if let key { headers["idempotency-key"] = key }
    return try answer(try await HTTPCall.get(admin, path, headers: headers, method: .POST, body: body))
  }

  private func answer(_ response: HTTPCall.Response) throws -> JSON {
    let json = try JSON(parsing: response.body)
    guard (200..<300).contains(response.status) else {
      throw Refusal(
        status: response.status, code: json["error"]["code"].string ?? "",
        message: json["error"]["message"].string ?? response.body)
    }
    return json
  }
}
