public import TrafficModel

/// Turns the bytes of a manifest file into what it says. Pure: the same bytes and name give the same content.
public enum ManifestDecoder {
  /// Larger files are refused.
  public static let maximumFileSize = 16 << 20

  /// Decodes a file of YAML or JSON documents.
  ///
  /// A document that is malformed, or that does not say which object it is, costs itself only: the others are decoded, and
  /// the content is incomplete, so that nothing counts as removed. So is the content of a file without a byte. Cost is
  /// linear in the file.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - file: its name, for locations.
  public static func decode(_ bytes: [UInt8], file: String) -> SourceUpdate.Content {
    decode(bytes, file: file, reusing: [:]).content
  }

  /// Why Envoy would refuse an expression, and all that comes with it; nil if it takes it. Linear in its length.
  public static func problem(ofExpression expression: String) -> String? { RE2Syntax.problem(expression) }

  /// Decodes a file and keeps what each document gave, so that of the next version of the file only the documents that
  /// differ are parsed.
  static func decode(
    _ bytes: [UInt8], file: String, reusing known: [String: DecodedChunk]
  ) -> (content: SourceUpdate.Content, chunks: [String: DecodedChunk]) {
    if bytes.count > maximumFileSize {
      return (.unreadable(file, "is larger than \(maximumFileSize >> 20) MiB"), [:])
    }
    if bytes.isEmpty {
      // Somebody is about to write it, or could not: a program that was stopped, a disk that is full.
      let problem = Problem(
        .warning, at: SourceLocation(file: file), "is empty; remove the file to remove what was in it")
      return (.documents([], isComplete: false, problems: [problem]), [:])
    }
    var content = DecodedChunk(line: 1, position: 0)
    var chunks: [String: DecodedChunk] = [:]
    let found = DocumentSplitter.split(bytes)
    for chunk in found {
      var part = DecodedChunk(line: chunk.firstLine, position: content.position + content.count)
      if let text = part.text(of: chunk, file: file) {
        if found.count == 1 {
          part.read(text, file: file)
        } else {
          if let same = known[text] {
            part = same.moved(to: part)
          } else {
            part.read(text, file: file)
          }
          chunks[text] = part
        }
      }
      content.append(part)
    }
    let result = SourceUpdate.Content.documents(
      content.documents, isComplete: content.isComplete, problems: content.problems)
    return (result, chunks)
  }

  /// Decodes one document that was admitted and kept, with the text that `SourceDocument` carried.
  ///
  /// - Returns: nil if the text no longer decodes to an object.
  public static func decodeStored(text: String, location: SourceLocation) -> TrafficObject? {
    guard case .documents(let documents, _, _) = decode(Array(text.utf8), file: location.file) else { return nil }
    return documents.count == 1 ? documents[0].object : nil
  }
}

extension SourceUpdate.Content {
  /// A file of which nothing could be read.
  static func unreadable(_ file: String, line: Int = 0, _ message: String) -> Self {
    .documents(
      [], isComplete: false, problems: [Problem(.error, at: SourceLocation(file: file, line: line), message)])
  }
}

extension ObjectHeader {
  /// The object, or nil where it has an error (reported) or nothing to serve (a warning says why).
  func decode(_ root: Field) -> TrafficObject? {
    switch key.kind {
    case .service: decodeService(root).map(TrafficObject.service)
    case .endpointSlice: decodeEndpointSlice(root).map(TrafficObject.endpointSlice)
    case .pod: decodePod(root).map(TrafficObject.pod)
    case .node: .node(decodeNode(root))
    case .namespace: .namespace(KubernetesNamespace(name: key.id.name, labels: labels))
    case .destinationRule: decodeDestinationRule(root).map(TrafficObject.destinationRule)
    case .virtualService: decodeVirtualService(root).map(TrafficObject.virtualService)
    }
  }
}
