internal import NIOCore
internal import NIOSSL
