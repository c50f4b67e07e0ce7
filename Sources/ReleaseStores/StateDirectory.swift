#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Where the state of a user's programs belongs.
public enum StateDirectory {
  /// `$XDG_STATE_HOME/weir`, or `~/.local/state/weir` (XDG Base Directory Specification: a path that is not absolute counts
  /// as not set). Nil if there is no home directory either. Nothing is made.
  public static func ofUser() -> String? { ofUser { name in getenv(name).map { String(cString: $0) } } }

  static func ofUser(environment: (_ name: String) -> String?) -> String? {
    func absolute(_ name: String) -> String? {
      environment(name).flatMap { $0.hasPrefix("/") ? String($0.reversed().drop { $0 == "/" }.reversed()) : nil }
    }
    if let state = absolute("XDG_STATE_HOME") { return state + "/weir" }
    return absolute("HOME").map { $0 + "/.local/state/weir" }
  }
}
