// The C face of libnghttp2 as Swift sees it. nghttp2's API is plain functions and enums, which the importer reads as
// they stand; shims are for macros that it cannot read, and no macro is needed so far.
#ifndef WEIR_CNGHTTP2_SHIM_H
#define WEIR_CNGHTTP2_SHIM_H

#include <nghttp2/nghttp2.h>

#endif
