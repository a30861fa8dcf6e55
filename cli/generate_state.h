/** @file
 * Files that hold the state of a generator.
 */
#ifndef CLI_GENERATE_STATE_H
#define CLI_GENERATE_STATE_H

#include "maudio.h"

#include <stdbool.h>

/// Continue from the state in a file, or complain and return false
bool generate_state_read(maudio_generator* g, const char* path);

/// Write the state to a file, or complain and return false
bool generate_state_write(const maudio_generator* g, const char* path);

#endif /* CLI_GENERATE_STATE_H */
