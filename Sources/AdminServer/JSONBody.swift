internal import Foundation
internal import Hummingbird
internal import NIOCore
internal import ReleaseControl

/// The body of a write: JSON that is as the OpenAPI document says.
struct JSONBody {
  /// The largest release, with a hundred steps and rules of a thousand bytes a condition, is far below.
  static let largest = 256 << 10
  static let tooLarge = "a body has at most \(largest >> 10) KiB"

  private let data: Data
  private let schema: String

  /// - Parameters:
  ///   - schema: its name in the document.
  ///   - isOptional: whether there may be no body; it then counts as `{}`.
  /// - Throws: `AdminError` with `unsupportedMediaType`, `contentTooLarge`, or `badRequest`, which names the field.
  init(of request: Request, schema: String, isOptional: Bool = false) async throws {
    let type = request.headers[.contentType].map { $0.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces) }
    // Before it is read: forms and texts are what a page can send anywhere without asking.
    if let type, type.lowercased() != "application/json" {
      throw AdminError(.unsupportedMediaType, "Content-Type: application/json is needed, and not \(type)")
    }
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > Self.largest {
      throw AdminError(.contentTooLarge, Self.tooLarge)
    }
    let bytes: ByteBuffer
    do {
      bytes = try await request.body.collect(upTo: Self.largest)
    } catch is NIOTooManyBytesError {
      throw AdminError(.contentTooLarge, Self.tooLarge)
    }
    if type == nil, bytes.readableBytes > 0 {
      throw AdminError(.unsupportedMediaType, "a body needs Content-Type: application/json")
    }
    data = isOptional && bytes.readableBytes == 0 ? Data("{}".utf8) : Data(bytes.readableBytesView)
    self.schema = schema
    let value: JSONValue
    do {
      value = try JSONDecoder().decode(JSONValue.self, from: data)
    } catch {
      throw AdminError(.badRequest, "the body is no JSON", cause: error)
    }
    if let problem = OpenAPIDocument.schemas.problem(in: value, as: schema) { throw AdminError(.badRequest, problem) }
  }

  /// - Throws: `ReleaseError` with code `invalid` for what only the type knows, as that a weight has two decimals.
  func decoded<Value: Decodable>(as _: Value.Type = Value.self) throws -> Value {
    do {
      return try ReleaseJSON.decode(Value.self, from: data)
    } catch let error as DecodingError {
      throw ReleaseError(.invalid, error.text)
    }
  }
}

extension DecodingError {
  fileprivate var text: String {
    let context: Context
    switch self {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
      .dataCorrupted(let found):
      context = found
    @unknown default: return "the body cannot be read"
    }
    let path = context.codingPath.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }.joined()
    return path.isEmpty ? context.debugDescription : "\(path.drop { $0 == "." }): \(context.debugDescription)"
  }
}
