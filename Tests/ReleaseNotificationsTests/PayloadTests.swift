import EnvoyHarness
import Foundation
import ReleaseStores
import Testing

@testable import ReleaseNotifications

@Suite struct PayloadTests {
  private let now = Timestamp(millisecondsSince1970: 1_795_860_301_456)

  private func request(
    _ kind: WebhookKind, secret: String?, url: String = "https://example.com/hook?key=k",
    _ event: ReleaseEvent = Samples.event()
  ) throws -> WebhookRequest {
    let webhook = WebhookConfiguration(
      name: "w", url: url, kind: kind, secret: secret.map { .init($0) }, metadata: ["team": "shop"])
    let entry = LedgerEntry(
      LedgerStatement(release: "r-1", host: "h", actor: "ci", action: "x", at: event.at), after: .start)
    let item = OutboxItem(sequence: 12, webhook: "w", body: event.stored, at: event.at, entry: entry.mark)
    return try webhook.request(for: item, now: now)
  }

  private func json(_ request: WebhookRequest) throws -> JSON {
    try JSON(parsing: String(decoding: request.body, as: UTF8.self))
  }

  @Test func generic() throws {
    let request = try request(.generic, secret: "s3cret")
    let body = try json(request)
    #expect(request.url == "https://example.com/hook?key=k")
    #expect(body["version"].integer == 1 && body["delivery"].integer == 12)
    #expect(body["action"].string == "set-weight" && body["actor"].string == "ci")
    #expect(body["from_basis_points"].integer == 500 && body["to_basis_points"].integer == 2_500)
    #expect(body["at"].string == "2026-11-28T10:05:00.123Z")
    #expect(body["ledger"]["sequence"].integer == 1 && body["ledger"]["hash"].string?.count == 64)
    #expect(body["release"]["host"].string == "reviews.shop.svc.cluster.local")
    #expect(body["release"]["weight_basis_points"].integer == 2_500)
    #expect(body["metadata"]["team"].string == "shop")
    #expect(request.headers["Content-Type"] == "application/json")
    #expect(request.headers["Weir-Delivery"] == "12")
    #expect(request.headers["Weir-Timestamp"] == "1795860301")
    // By another program, from the same bytes.
    let expected = try python(
      "import hmac, sys; print(hmac.new(b's3cret', b'1795860301.' + sys.stdin.buffer.read(), 'sha256').hexdigest())",
      input: request.body)
    #expect(request.headers["Weir-Signature"] == "sha256=\(expected)")
    #expect(try self.request(.generic, secret: nil).headers["Weir-Signature"] == nil)
  }

  @Test func weCom() throws {
    let request = try request(.wecom, secret: nil)
    let body = try json(request)
    #expect(body["msgtype"].string == "markdown")
    let content = try #require(body["markdown"]["content"].string)
    #expect(
      content.hasPrefix(
        "### reviews.shop.svc.cluster.local: set-weight\n\n> Release: canary from v1 to v2, progressing\n"))
    #expect(content.contains("> Weight: 5 % → 25 %") && content.contains("> Reason: looks good"))
    #expect(request.headers["Weir-Signature"] == nil && request.url == "https://example.com/hook?key=k")
  }

  @Test func dingTalk() throws {
    let request = try request(
      .dingtalk, secret: "this is secret", url: "https://oapi.dingtalk.com/robot/send?access_token=t")
    let body = try json(request)
    #expect(body["msgtype"].string == "markdown")
    #expect(body["markdown"]["title"].string == "reviews.shop.svc.cluster.local: set-weight")
    #expect(body["markdown"]["text"].string?.hasPrefix("### reviews.shop") == true)
    let expected = try python(
      """
      import base64, hmac, urllib.parse
      text = '1795860301456\\nthis is secret'
      print(urllib.parse.quote(base64.b64encode(hmac.new(b'this is secret', text.encode(), 'sha256').digest()), safe=''))
      """)
    #expect(
      request.url
        == "https://oapi.dingtalk.com/robot/send?access_token=t&timestamp=1795860301456&sign=\(expected)")
    #expect(try self.request(.dingtalk, secret: nil, url: "https://x/y").url == "https://x/y")
    #expect(try self.request(.dingtalk, secret: "s", url: "https://x/y").url.hasPrefix("https://x/y?timestamp="))
  }

  @Test func feishu() throws {
    let body = try json(try request(.feishu, secret: "this is secret"))
    #expect(body["msg_type"].string == "text")
    #expect(
      body["content"]["text"].string?.hasPrefix("reviews.shop.svc.cluster.local: set-weight\nRelease: canary") == true)
    #expect(body["timestamp"].string == "1795860301")
    let expected = try python(
      """
      import base64, hmac
      print(base64.b64encode(hmac.new(b'1795860301\\nthis is secret', b'', 'sha256').digest()).decode())
      """)
    #expect(body["sign"].string == expected)
    let unsigned = try json(try request(.feishu, secret: nil))
    #expect(unsigned["sign"].string == nil && unsigned["timestamp"].string == nil)
  }

  @Test func slack() throws {
    let body = try json(try request(.slack, secret: nil, Samples.event(reason: "a < b & <!channel>")))
    let text = try #require(body["text"].string)
    #expect(text.hasPrefix("*reviews.shop.svc.cluster.local: set-weight*\nRelease: canary from v1 to v2"))
    #expect(text.contains("Reason: a &lt; b &amp; &lt;!channel&gt;"))
  }

  /// Who writes a reason cannot mention everybody, or begin a line of its own; and nothing is longer than a robot takes.
  @Test(arguments: [WebhookKind.wecom, .dingtalk, .feishu, .slack]) func wordsOfPeopleStayWords(_ kind: WebhookKind)
    throws
  {
    let nasty = "<@all> <at user_id=\"all\"></at>\r\n# Approved\u{2028}by\u{0}root"
    let text = String(decoding: try request(kind, secret: nil, Samples.event(reason: nasty)).body, as: UTF8.self)
    #expect(
      !text.contains("<@all>") && !text.contains("<at ") && !text.contains("\\n# Approved") && !text.contains("\\r"))
    let long = try request(
      kind, secret: nil,
      Samples.event(String(repeating: "重", count: 5_000), reason: String(repeating: "🚀", count: 5_000)))
    #expect(long.body.count < 4_096 + 3_200, "\(long.body.count)")
    _ = try json(long)
  }

  @Test func weightsArePercentWithTwoDecimals() throws {
    for (basisPoints, text) in [(0, "0 %"), (5, "0.05 %"), (50, "0.5 %"), (2_005, "20.05 %"), (10_000, "100 %")] {
      let body = String(
        decoding: try request(.feishu, secret: nil, Samples.event(from: nil, to: UInt32(basisPoints))).body,
        as: UTF8.self)
      #expect(body.contains("Weight: \(text)\\n"), "\(body)")
    }
  }

  // MARK: What counts as taken

  @Test(
    arguments: [
      (.generic, 200, "", true), (.generic, 204, "", true), (.generic, 302, "", false), (.generic, 500, "oops", false),
      (.slack, 200, "ok", true), (.slack, 404, "no_service", false),
      (.wecom, 200, #"{"errcode":0,"errmsg":"ok"}"#, true),
      (.wecom, 200, #"{"errcode":93000,"errmsg":"invalid webhook url"}"#, false), (.wecom, 200, "", false),
      (.dingtalk, 200, #"{"errcode":0,"errmsg":"ok"}"#, true),
      (.dingtalk, 200, #"{"errcode":310000,"errmsg":"sign not match"}"#, false),
      (.feishu, 200, #"{"code":0,"msg":"success","data":{}}"#, true),
      (.feishu, 200, #"{"StatusCode":0,"StatusMessage":"success"}"#, true),
      (
        .feishu, 200, #"{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}"#,
        false
      ),
    ] as [(WebhookKind, Int, String, Bool)])
  func robotsSayInTheBodyWhatWentWrong(_ kind: WebhookKind, _ status: Int, _ body: String, _ isTaken: Bool) {
    let webhook = WebhookConfiguration(name: "w", url: "http://x", kind: kind)
    let complaint = webhook.complaint(about: WebhookResponse(status: status, body: Array(body.utf8)))
    #expect((complaint == nil) == isTaken, "\(complaint as Any)")
    if !isTaken, !body.isEmpty { #expect(complaint?.contains(body) == true, "\(complaint as Any)") }
  }
}

/// - Returns: what it printed, without the line's end.
func python(_ program: String, input: [UInt8] = []) throws -> String {
  let process = Process()
  let (standardInput, output) = (Pipe(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["python3", "-c", program]
  process.standardInput = standardInput
  process.standardOutput = output
  try process.run()
  try standardInput.fileHandleForWriting.write(contentsOf: Data(input))
  try standardInput.fileHandleForWriting.close()
  let text = try output.fileHandleForReading.readToEnd().map { String(decoding: $0, as: UTF8.self) } ?? ""
  process.waitUntilExit()
  #expect(process.terminationStatus == 0)
  return text.trimmingCharacters(in: .newlines)
}
