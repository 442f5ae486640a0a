/* The version of all tools, in --version, stream headers and bs.json. */
#ifndef BS_COMMON_VERSION_H
#define BS_COMMON_VERSION_H

#define BS_VERSION "0.1.0"

#endif
