/** @file
 * Formats of audio files: by the name of a file, and for its samples.
 *
 * A format is a number of libsndfile: container | sample format | byte order.
 */
#ifndef CLI_AUDIO_FORMAT_H
#define CLI_AUDIO_FORMAT_H

#include <sndfile.h>
#include <stdbool.h>

/// Return whether the extension of `path` is one of an audio file we know
bool audio_format_is_known(const char* path);

/**
 * Choose the format for what is made of an input.
 *
 * It is that of the input, unless the name of the output has the extension of
 * another container: then that container, with the nearest sample format. On
 * standard output ("-") it is WAV.
 *
 * @param info Of the input.
 * @return A format that libsndfile can write, or 0 after a complaint.
 */
int audio_format_choose(const char*    in_path,
                        const SF_INFO* info,
                        const char*    out_path);

/**
 * Return the bits of an integer sample that a format holds, or 0 when it holds
 * floating point: exactly, or in a lossy code.
 */
unsigned audio_format_bits(int format);

#endif /* CLI_AUDIO_FORMAT_H */
