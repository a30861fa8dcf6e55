/** @file
 * Raw samples, little endian, and numbers.
 */
#ifndef CLI_PCM_H
#define CLI_PCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  unsigned n_bytes; ///< Of a sample
  unsigned bits;    ///< Of an integer sample, the lowest; 0: 32-bit float
} pcm_format;

/// What pcm_format_find() knows, as the end of a sentence
#define PCM_FORMATS "s16, s24, s32, f32 or their names in ALSA and ffmpeg"

/**
 * Find a format by its name in ALSA, ffmpeg, PulseAudio or here, in either
 * case: s16, s16le, S16_LE and so on.
 *
 * 24 bits are three bytes, but four in ALSA's S24_LE and PulseAudio's s24-32le.
 */
bool pcm_format_find(const char* name, pcm_format* format);

/// Return the nearest integer of `bits`, full scale being 1; at the ends of the
/// range the last one
int32_t pcm_round(double sample, unsigned bits);

/// The same for `n` samples, in the upper bits of numbers of 32
void pcm_round_block(const double* samples,
                     unsigned      bits,
                     int32_t*      numbers,
                     size_t        n);

/// Read `n` samples into numbers, full scale 1
void pcm_decode(const pcm_format*    format,
                const unsigned char* bytes,
                double*              samples,
                size_t               n);

/// Write `n` numbers as samples
void pcm_encode(const pcm_format* format,
                const double*     samples,
                unsigned char*    bytes,
                size_t            n);

#endif /* CLI_PCM_H */
