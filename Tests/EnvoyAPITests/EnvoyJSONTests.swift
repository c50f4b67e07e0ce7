import EnvoyAPI
import ProtobufC
import Testing

@Suite struct EnvoyJSONTests {
  /// Messages with every kind of field that protos/xds has, against Python's rendering.
  @Test(arguments: [
    (
      "google.protobuf.Struct",
      #"{"a": [1, "x", null, true, {"b": []}], "k\n\"": "\\\u0001\u00e9\ud83d\ude00", "n": -1e300}"#
    ),
    ("google.protobuf.Duration", #""-1.000000001s""#),
    ("google.protobuf.Duration", #""315576000000s""#),
    ("google.protobuf.Duration", #""-0.500s""#),
    ("google.protobuf.Any", #"{"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.000001s"}"#),
    ("google.protobuf.Any", #"{"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": 1}}"#),
    ("google.protobuf.Any", #"{"@type": "type.googleapis.com/google.protobuf.Empty"}"#),
    ("google.protobuf.Any", #"{"@type": "type.googleapis.com/google.rpc.Status", "code": -5}"#),
    ("google.protobuf.BytesValue", #""AAECAw==""#),
    ("google.protobuf.Int64Value", #""-9223372036854775808""#),
    ("google.protobuf.UInt64Value", #""18446744073709551615""#),
    ("google.protobuf.FloatValue", "0.5"),
    ("google.protobuf.DoubleValue", "0.1"),
    ("google.protobuf.BoolValue", "false"),
    ("google.protobuf.StringValue", #""""#),
    ("envoy.type.v3.FractionalPercent", #"{"numerator": 5, "denominator": "MILLION"}"#),
    ("envoy.config.core.v3.HeaderValue", #"{"key": "k", "rawValue": "/+8="}"#),
    ("envoy.config.core.v3.DataSource", #"{"inlineString": ""}"#),
    ("envoy.config.core.v3.Metadata", #"{"filterMetadata": {"a": {"b": 1}, "c": {}}}"#),
    (
      "envoy.config.route.v3.RedirectAction", #"{"hostRedirect": "h", "httpsRedirect": false, "responseCode": "FOUND"}"#
    ),
  ])
  func equalsPythons(_ type: String, _ json: String) throws {
    let bytes = try RealProtobuf.encode(type, json)
    #expect(try EnvoyJSON.json(type, bytes) == RealProtobuf.decode(type, bytes))
  }

  @Test func anUnknownTypeInAnAnyIsBase64() throws {
    let bytes: [UInt8] = [0x0A, 3] + Array("x/y".utf8) + [0x12, 2, 0xFF, 0xFE]
    #expect(
      try EnvoyJSON.json("google.protobuf.Any", bytes) == #"{"@type": "x/y", "value": "//4="}"#)
  }

  @Test func anUnknownEnumValueIsItsNumber() throws {
    let bytes: [UInt8] = [0x10, 77]
    #expect(try EnvoyJSON.json("envoy.type.v3.FractionalPercent", bytes) == #"{"denominator": 77}"#)
  }

  @Test func whatCannotBeRendered() throws {
    let error = #expect(throws: ProtobufError.self) {
      try EnvoyJSON.render(typeURL: "type.googleapis.com/no.such.Message", bytes: [])
    }
    #expect(error?.code == .unknownType)
    #expect(throws: ProtobufError.self) { try EnvoyJSON.render(typeURL: TypeURL.cluster, bytes: [0xFF]) }
    // An Any whose content is broken.
    let broken: [UInt8] = [0x0A, 27] + Array("t.com/google.protobuf.Value".utf8) + [0x12, 1, 0xFF]
    #expect(throws: ProtobufError.self) {
      try EnvoyJSON.render(typeURL: "type.googleapis.com/google.protobuf.Any", bytes: broken)
    }
  }

  @Test func anyInsideAnyEnds() throws {
    let url = Array("t/google.protobuf.Any".utf8)
    var bytes: [UInt8] = []
    for _ in 0..<40 {
      var next: [UInt8] = [0x0A, UInt8(url.count)] + url
      WireFormat.appendLengthPrefix(field: 2, byteCount: bytes.count, to: &next)
      bytes = next + bytes
    }
    let error = #expect(throws: ProtobufError.self) {
      try EnvoyJSON.render(typeURL: "t/google.protobuf.Any", bytes: bytes)
    }
    #expect(error?.code == .nestedTooDeep)
  }
}
