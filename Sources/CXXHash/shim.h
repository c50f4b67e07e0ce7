#pragma once
// libxxhash (Debian: libxxhash-dev). Nothing in it is a macro or variadic that Swift could not call.
#include <xxhash.h>
