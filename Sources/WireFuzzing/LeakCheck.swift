#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The leak sanitizer, where the process has one: it comes with the address sanitizer.
public enum LeakCheck {
  private typealias Check = @convention(c) () -> CInt

  /// `__lsan_do_recoverable_leak_check` (sanitizer/lsan_interface.h). It is looked up by name, because a build without a
  /// sanitizer has no such function to link with.
  private static let check: Check? = {
    guard let program = dlopen(nil, RTLD_NOW), let symbol = dlsym(program, "__lsan_do_recoverable_leak_check") else {
      return nil
    }
    return unsafeBitCast(symbol, to: Check.self)
  }()

  public static var isAvailable: Bool { check != nil }

  /// Whether memory has been lost since the last call; the sanitizer prints what and where it came from. Costs a walk over
  /// all memory. False without a sanitizer.
  public static func findsLeaks() -> Bool { check.map { $0() != 0 } ?? false }
}
