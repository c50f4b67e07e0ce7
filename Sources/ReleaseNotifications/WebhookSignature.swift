internal import Crypto
internal import Foundation
internal import ReleaseStores

/// How a receiver knows that a request is ours, not changed, and not an old one sent again.
///
/// Kind `generic`: two headers.
///
///     Weir-Timestamp: 1795860300
///     Weir-Signature: sha256=5f4c…
///
/// The signature is the HMAC-SHA256, with the secret as key, of the timestamp's digits, a point, and the body, in
/// hexadecimal. A receiver makes it from the body's bytes as they came, compares in constant time, and refuses timestamps
/// more than some minutes away (`examples/releases/webhook_receiver.py`). Each attempt is signed anew.
///
/// DingTalk and Feishu have signatures of their own, both over the timestamp, a line feed and the secret: DingTalk's is keyed
/// with the secret and goes into the query, with milliseconds; Feishu's is keyed with that text and signs nothing, and goes
/// into the body, with seconds. Neither covers what is said.
enum WebhookSignature {
  static func headers(_ body: [UInt8], secret: String, at time: Timestamp) -> [(name: String, value: String)] {
    let seconds = String(time.millisecondsSince1970 / 1_000)
    let code = authenticationCode(of: Array("\(seconds).".utf8) + body, key: secret)
    let digits = code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    return [("Weir-Timestamp", seconds), ("Weir-Signature", "sha256=\(digits)")]
  }

  static func dingTalk(secret: String, at time: Timestamp) -> (timestamp: String, sign: String) {
    let timestamp = String(time.millisecondsSince1970)
    return (timestamp, base64(authenticationCode(of: Array("\(timestamp)\n\(secret)".utf8), key: secret)))
  }

  static func feishu(secret: String, at time: Timestamp) -> (timestamp: String, sign: String) {
    let timestamp = String(time.millisecondsSince1970 / 1_000)
    return (timestamp, base64(authenticationCode(of: [], key: "\(timestamp)\n\(secret)")))
  }

  private static func authenticationCode(of bytes: [UInt8], key: String) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: Array(key.utf8))))
  }

  private static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
