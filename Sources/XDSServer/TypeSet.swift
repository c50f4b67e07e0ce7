internal import XDSSnapshot

/// Some of the resource types.
struct TypeSet: OptionSet, Sendable {
  let rawValue: UInt8

  init(rawValue: UInt8) { self.rawValue = rawValue }
  init(_ type: ResourceType) { rawValue = 1 << UInt8(type.rawValue) }

  static let all = TypeSet(rawValue: UInt8((1 << ResourceType.allCases.count) - 1))

  func contains(_ type: ResourceType) -> Bool { rawValue & 1 << UInt8(type.rawValue) != 0 }
  mutating func insert(_ type: ResourceType) { formUnion(TypeSet(type)) }
  mutating func remove(_ type: ResourceType) { subtract(TypeSet(type)) }
}
