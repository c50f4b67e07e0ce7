import Logging
#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How many file descriptors this process may have open (`RLIMIT_NOFILE`).
enum DescriptorLimit {
  /// Raises the soft limit to the hard one, which needs no privilege, and says what holds now. Shells and service managers
  /// often start programs with a soft limit of 1,024, for the sake of `select`, which nothing here uses.
  static func raise(_ logger: Logger) -> Int {
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else {
      logger.warning("The limit of file descriptors cannot be read", metadata: ["errno": "\(errno)"])
      return 1024
    }
    let before = limit.rlim_cur
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      if setrlimit(resource, &limit) != 0 {
        logger.warning("The limit of file descriptors cannot be raised", metadata: ["errno": "\(errno)"])
        limit.rlim_cur = before
      }
    }
    let now = Int(clamping: limit.rlim_cur)
    logger.info("File descriptors", metadata: ["limit": "\(now)", "before": "\(before)"])
    return now
  }
}
