/// Why bytes were refused, or could not be rendered.
///
/// It concerns one message: the connection that carried it is intact, and what to do with the stream is the caller's choice.
public struct ProtobufError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure. More kinds may be added.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    public var description: String

    /// The bytes end inside a field, or a length points past the end of its message.
    public static let truncated = Code(description: "truncated")
    /// A varint, a field number or a wire type that the encoding does not have, or not for this field.
    public static let malformed = Code(description: "malformed")
    /// Messages inside messages beyond `DecodingLimits.maximumDepth`.
    public static let nestedTooDeep = Code(description: "nestedTooDeep")
    /// More bytes, elements or memory than `DecodingLimits` allow.
    public static let tooLarge = Code(description: "tooLarge")
    /// A string field that is not UTF-8 (RFC 3629).
    public static let invalidUTF8 = Code(description: "invalidUTF8")
    /// A string field that holds a zero byte: as a C string it would silently end there.
    public static let embeddedNUL = Code(description: "embeddedNUL")
    /// A string field with more than 30 combining marks in a row (UAX 15, Stream-Safe Text Format): to compare such a text
    /// takes a time that grows with the square of the run.
    public static let tooManyMarks = Code(description: "tooManyMarks")
    /// A string field that is ASCII by its specification, and is not.
    public static let notASCII = Code(description: "notASCII")
    /// A type URL that names no message known here.
    public static let unknownType = Code(description: "unknownType")
    /// libprotobuf-c refused what the check before it had passed.
    public static let refused = Code(description: "refused")
  }

  public var code: Code
  /// What was wrong, naming message and field.
  public var message: String
  /// Where, in bytes from the start of the whole message; nil where no place can be named.
  public var offset: Int?

  public init(code: Code, message: String, offset: Int? = nil) {
    self.code = code
    self.message = message
    self.offset = offset
  }

  public var description: String {
    offset.map { "\(code): \(message) at byte \($0)" } ?? "\(code): \(message)"
  }
}
