public import TrafficModel

/// What a release may not do to a service, whatever it is told.
public struct GuardRails: Sendable, Hashable {
  /// A subset gets no traffic with fewer ready endpoints than these, and none with nobody.
  public var minimumReady: Int
  /// How many ready endpoints a share of the traffic needs: this share of `Release.baseline`, or of those that the stable subset has
  /// now, if they are more. With 100 %, half of the traffic needs half as many; with 0 only the minimum counts.
  public var capacity: Weight
  /// What becomes of a weight that a subset cannot carry. A step that a release takes by itself always waits.
  public var onShortfall: Shortfall
  /// What becomes of a share that a subset has and can carry no longer.
  public var onEmpty: Emptiness

  public enum Shortfall: String, Sendable, Hashable, Codable, CaseIterable {
    /// An error says what is missing.
    case refuse
    /// The weight is taken as soon as the subset can carry it.
    case hold
  }

  /// What happens when a subset that gets traffic has no ready endpoint left, or too few: the table is at `Release.guarded`.
  public enum Emptiness: String, Sendable, Hashable, Codable, CaseIterable {
    /// Its share stays; of an empty one it is answered with 503.
    case fail
    /// The stable subset takes what the candidate cannot carry, as far as it can, until that is back; the candidate takes all while the
    /// stable subset is empty. The ledger says so.
    case spill
    /// The release of a candidate that is empty, or has fewer than the minimum, is rolled back. One whose subsets have too few
    /// for their shares stays where it is until somebody decides. So does one whose stable subset is empty, and the candidate
    /// takes all meanwhile.
    case freezeAndRollBack
  }

  public init(
    minimumReady: Int = 1, capacity: Weight = .all, onShortfall: Shortfall = .refuse,
    onEmpty: Emptiness = .freezeAndRollBack
  ) {
    self.minimumReady = minimumReady
    self.capacity = capacity
    self.onShortfall = onShortfall
    self.onEmpty = onEmpty
  }

  /// The fewest that may get traffic.
  public var minimum: Int { max(1, minimumReady) }

  /// The greatest share, up to one, that so many ready endpoints can carry.
  public func carried(by ready: Int, of weight: Weight, baseline: Int) -> Weight {
    guard ready >= minimum else { return .none }
    let all = UInt64(max(baseline, 0)) * UInt64(capacity.basisPoints)
    guard all > 0 else { return weight }
    return min(weight, Weight(basisPoints: Int(min(10_000, UInt64(ready) * 100_000_000 / all))) ?? weight)
  }

  /// How many ready endpoints a share of the traffic needs: none for nothing, else one at least.
  ///
  /// - Parameter baseline: how many carry all of it.
  public func needed(for weight: Weight, baseline: Int) -> Int {
    if weight == .none { return 0 }
    let parts = UInt64(max(baseline, 0)) * UInt64(capacity.basisPoints) * UInt64(weight.basisPoints)
    return max(minimum, Int((parts + 99_999_999) / 100_000_000))
  }
}

/// The endpoints of a release's two subsets that are ready now.
public struct ReleaseCapacity: Sendable, Hashable, Codable {
  public var stable: Int
  public var candidate: Int

  public init(stable: Int, candidate: Int) {
    self.stable = stable
    self.candidate = candidate
  }
}

/// That a subset cannot carry what it is to get.
public struct CapacityShortfall: Sendable, Hashable, CustomStringConvertible {
  public var subset: String
  public var ready: Int
  public var needed: Int
  public var weight: Weight

  public init(subset: String, ready: Int, needed: Int, weight: Weight) {
    self.subset = subset
    self.ready = ready
    self.needed = needed
    self.weight = weight
  }

  public var description: String {
    "\(subset) has \(ready) ready \(ready == 1 ? "endpoint" : "endpoints") of \(needed) that \(weight) of the traffic "
      + "\(needed == 1 ? "needs" : "need")"
  }
}

extension Release {
  /// Why the candidate cannot have a weight, or the stable subset what is left; nil if both can.
  ///
  /// A subset that is to get no more than it has is not looked at: taking nothing away does no harm.
  public func shortfall(for weight: Weight, _ capacity: ReleaseCapacity, from current: Weight? = nil)
    -> CapacityShortfall?
  {
    let baseline = max(self.baseline, capacity.stable)
    let current = current ?? self.weight
    if weight > current {
      let needed = spec.guardRails.needed(for: weight, baseline: baseline)
      if capacity.candidate < needed {
        return CapacityShortfall(subset: candidate.name, ready: capacity.candidate, needed: needed, weight: weight)
      }
    } else if weight < current {
      let needed = spec.guardRails.needed(for: weight.complement, baseline: self.baseline)
      if capacity.stable < needed {
        return CapacityShortfall(subset: stable.name, ready: capacity.stable, needed: needed, weight: weight.complement)
      }
    }
    return nil
  }
}
