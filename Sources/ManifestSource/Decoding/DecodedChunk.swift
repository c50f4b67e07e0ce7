internal import TrafficModel

/// What one YAML document of a file says: usually one object, of a list several.
struct DecodedChunk: Sendable {
  /// The line on which it begins, from 1.
  var line: Int
  /// The position of its first object in the file, from 0.
  var position: Int
  /// How many positions it takes.
  private(set) var count = 0
  private(set) var documents: [SourceDocument] = []
  private(set) var problems: [Problem] = []
  private(set) var isComplete = true

  init(line: Int, position: Int) {
    self.line = line
    self.position = position
  }

  mutating func append(_ other: DecodedChunk) {
    documents += other.documents
    problems += other.problems
    isComplete = isComplete && other.isComplete
    count += other.count
  }

  /// The same text elsewhere in the file.
  func moved(to place: DecodedChunk) -> DecodedChunk {
    guard place.line != line || place.position != position else { return self }
    func move(_ location: inout SourceLocation) {
      if location.line > 0 { location.line += place.line - line }
      location.position += place.position - position
    }
    func move(_ problems: inout [Problem]) {
      for index in problems.indices where problems[index].location != nil { move(&problems[index].location!) }
    }
    var copy = self
    copy.line = place.line
    copy.position = place.position
    move(&copy.problems)
    for index in copy.documents.indices {
      move(&copy.documents[index].location)
      move(&copy.documents[index].problems)
      for spot in copy.documents[index].destinationPlaces.indices {
        copy.documents[index].destinationPlaces[spot].line += place.line - line
      }
    }
    return copy
  }

  // MARK: Reading

  /// The chunk as text; nil, and reported, where it is none or must not be parsed.
  mutating func text(of chunk: DocumentSplitter.Chunk, file: String) -> String? {
    if let nul = chunk.bytes.firstIndex(of: 0) {
      refuse(file, chunk.line(of: nul), "holds a NUL byte")
      return nil
    }
    guard let text = String(validating: chunk.bytes, as: UTF8.self) else {
      refuse(file, chunk.lineOfInvalidUTF8, "is not valid UTF-8")
      return nil
    }
    guard !AliasBound(chunk.bytes).isTooLarge else {
      refuse(file, chunk.firstLine, "its YAML aliases expand too far")
      return nil
    }
    return text
  }

  mutating func read(_ text: String, file: String) {
    do throws(DocumentError) {
      guard let node = try ManifestNode.parse(text, firstLine: line) else { return }
      if case .null = node.value { return }
      read(node, text: text, file: file)
    } catch {
      refuse(file, error.line, error.message)
    }
  }

  private mutating func refuse(_ file: String, _ line: Int, _ message: String) {
    isComplete = false
    problems.append(
      Problem(.error, at: SourceLocation(file: file, position: position + count, line: line), message))
    count += 1
  }

  /// - Parameter text: nil for an item of a list, whose text is made when it turns out to be an object.
  private mutating func read(_ node: ManifestNode, text: String?, file: String) {
    let found = DocumentProblems(
      location: SourceLocation(file: file, position: position + count, line: node.line))
    let root = Field(document: found, root: node)
    switch ObjectHeader.read(root) {
    case .list:
      for item in root["items"].items {
        if let child = item.node { read(child, text: nil, file: file) }
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
      root.expectMapping(
        reads: header.key.kind == .endpointSlice
          ? ["apiVersion", "kind", "metadata", "addressType", "endpoints", "ports"]
          : ["apiVersion", "kind", "metadata", "spec"],
        ignores: ["status"])
      let object = header.decode(root)
      if object == nil, !found.hasErrors {
        // Understood, and not for sidecars: it is as if the document were not there, and the warning says so.
        problems += found.problems
      } else {
        documents.append(
          SourceDocument(
            location: found.location, key: header.key, object: found.hasErrors ? nil : object,
            problems: found.problems, text: text ?? node.json, destinationPlaces: found.destinationPlaces))
      }
    }
    count += 1
  }
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
