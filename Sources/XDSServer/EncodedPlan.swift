/// The bytes of a response, made when first needed.
struct EncodedPlan: Sendable {
}
