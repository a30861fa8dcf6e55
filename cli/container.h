/** @file
 * Finding audio files that were cut short, which libsndfile opens all the same.
 */
#ifndef CLI_CONTAINER_H
#define CLI_CONTAINER_H

#include <stdbool.h>

/**
 * Compare what the header of a file promises with what is there.
 *
 * Knows the sizes of WAV, RF64, W64, AIFF, CAF and AU, and the pages of Ogg; a
 * size that a program writing to a pipe left open promises nothing.
 *
 * @param fd A seekable file; its position is kept.
 * @return False after a complaint about `label`.
 */
bool container_is_complete(int fd, const char* label);

#endif /* CLI_CONTAINER_H */
