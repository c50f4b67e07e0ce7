public import Foundation
public import ReleaseControl

/// A release in a file: what `POST /v1/releases` takes, checked in the same way.
public struct ReleaseFile: Sendable {
  public var spec: ReleaseSpec
  public var actor: String?
  public var reason: String?

  private struct Intent: Decodable {
    var actor: String?
    var reason: String?
  }

  /// - Throws: `AdminError` or `ReleaseError`, whose message names the field.
  public init(_ json: Data) throws {
    let body = try JSONBody(json, schema: "NewRelease")
    spec = try body.decoded()
    let intent: Intent = try body.decoded()
    (actor, reason) = (intent.actor, intent.reason)
  }
}
