public import TrafficModel

/// A problem as the admin API and `weir check --json` show it.
public struct ProblemReport: Codable, Sendable, Hashable {
  public enum Severity: String, Codable, Sendable, Hashable { case error, warning }

  public var severity: Severity
  /// Absent where the problem belongs to no file, as are the line, the object and the field where they are not known.
  public var file: String?
  /// The document's position in the file, from 0.
  public var document: Int?
  /// From 1.
  public var line: Int?
  public var object: ObjectReport?
  public var field: String?
  public var message: String

  public struct ObjectReport: Codable, Sendable, Hashable {
    public var kind: String
    /// Absent for what belongs to no namespace.
    public var namespace: String?
    public var name: String
  }

  public init(_ problem: Problem) {
    severity = problem.severity == .error ? .error : .warning
    file = problem.location?.file
    document = problem.location?.position
    line = problem.location.flatMap { $0.line > 0 ? $0.line : nil }
    object = problem.object.map {
      ObjectReport(
        kind: $0.kind.rawValue, namespace: $0.id.namespace.isEmpty ? nil : $0.id.namespace, name: $0.id.name)
    }
    field = problem.field.isEmpty ? nil : problem.field
    message = problem.message
  }
}
