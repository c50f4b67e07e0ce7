public import TrafficModel

/// Turns the bytes of a manifest file into what it says. Pure: the same bytes and name give the same content.
public enum ManifestDecoder {
  /// Larger files are refused.
  public static let maximumFileSize = 16 << 20

  /// Decodes a file of YAML or JSON documents.
  ///
  /// A document that is malformed, or that does not say which object it is, costs itself only: the others are decoded, and
  /// the content is incomplete, so that nothing counts as removed. Cost is linear in the file.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - file: its name, for locations.
  public static func decode(_ bytes: [UInt8], file: String) -> SourceUpdate.Content {
    if bytes.count > maximumFileSize {
      return .unreadable(file, "is larger than \(maximumFileSize >> 20) MiB")
    }
    var content = DecodedContent(file: file)
    for chunk in DocumentSplitter.split(bytes) { content.read(chunk) }
    return .documents(content.documents, isComplete: content.isComplete, problems: content.problems)
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

private struct DecodedContent {
  let file: String
  var documents: [SourceDocument] = []
  var problems: [Problem] = []
  var isComplete = true
  private var position = 0

  init(file: String) { self.file = file }

  mutating func read(_ chunk: DocumentSplitter.Chunk) {
    if let nul = chunk.bytes.firstIndex(of: 0) {
      return refuse(chunk.line(of: nul), "holds a NUL byte")
    }
    guard let text = String(validating: chunk.bytes, as: UTF8.self) else {
      return refuse(chunk.lineOfInvalidUTF8, "is not valid UTF-8")
    }
    guard !AliasBound(chunk.bytes).isTooLarge else {
      return refuse(chunk.firstLine, "its YAML aliases expand too far")
    }
    do throws(DocumentError) {
      guard let node = try ManifestNode.parse(text, firstLine: chunk.firstLine), !node.isNull else { return }
      read(node, text: text)
    } catch {
      refuse(error.line, error.message)
    }
  }

  private mutating func refuse(_ line: Int, _ message: String) {
    isComplete = false
    problems.append(Problem(.error, at: SourceLocation(file: file, position: position, line: line), message))
    position += 1
  }

  /// - Parameter text: nil for an item of a list, whose text is made when it turns out to be an object.
  private mutating func read(_ node: ManifestNode, text: String?) {
    let location = SourceLocation(file: file, position: position, line: node.line)
    let found = DocumentProblems(location: location)
    let root = Field(document: found, root: node)
    switch ObjectHeader.read(root) {
    case .list:
      for item in root["items"].items {
        if let child = item.node { read(child, text: nil) }
      }
      if found.hasErrors { isComplete = false }
      problems += found.problems
      return
    case .unsupported:
      problems += found.problems
    case .unreadable:
      isComplete = false
      problems += found.problems
    case .object(let header):
      let body: Set<String> = header.key.kind == .endpointSlice ? ["addressType", "endpoints", "ports"] : ["spec"]
      root.expectMapping(reads: body.union(["apiVersion", "kind", "metadata"]), ignores: ["status"])
      let object = header.decode(root)
      if object == nil, !found.hasErrors {
        // Understood, and not for sidecars: it is as if the document were not there, and the warning says so.
        problems += found.problems
      } else {
        documents.append(
          SourceDocument(
            location: location, key: header.key, object: found.hasErrors ? nil : object, problems: found.problems,
            text: text ?? node.json, destinationPlaces: found.destinationPlaces))
      }
    }
    position += 1
  }
}

extension ObjectHeader {
  /// The object, or nil where it has an error (reported) or nothing to serve (a warning says why).
  func decode(_ root: Field) -> TrafficObject? {
    switch key.kind {
    case .service: decodeService(root).map(TrafficObject.service)
    case .endpointSlice: decodeEndpointSlice(root).map(TrafficObject.endpointSlice)
    case .pod: decodePod(root).map(TrafficObject.pod)
    case .node: .node(decodeNode())
    case .namespace: .namespace(KubernetesNamespace(name: key.id.name, labels: labels))
    case .destinationRule: decodeDestinationRule(root).map(TrafficObject.destinationRule)
    case .virtualService: decodeVirtualService(root).map(TrafficObject.virtualService)
    }
  }
}

extension ManifestNode {
  fileprivate var isNull: Bool { if case .null = value { true } else { false } }
}

extension DocumentSplitter.Chunk {
  fileprivate func line(of index: Int) -> Int {
    firstLine + bytes[bytes.startIndex..<index].reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
  }

  /// A line break is never part of a longer sequence, so the first line that is invalid by itself is the one.
  fileprivate var lineOfInvalidUTF8: Int {
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return firstLine + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
  }
}
