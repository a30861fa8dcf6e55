/** @file
 * Random models and int8 ones, written to files for the test.
 */
#ifndef MAUDIO_TEST_CUDA_MODELS_H
#define MAUDIO_TEST_CUDA_MODELS_H

/// Mamba and Mamba-2 of sizes that no tile fits
extern const char* const mamba_json;

/// One band, great states
extern const char* const wide_json;

/// Rows, states and parts that do not begin at multiples of two or four floats
extern const char* const odd_json;

/// Taps of all bins on as many past frames as are possible, the last one as far
/// back as is
extern const char* const odd_filter_json;

/// Frames to come, and blocks of some bands each, of which some overlap
extern const char* const ahead_json;

/// The same without a filter, of more frames
extern const char* const far_ahead_json;

/// Without latency: a delay and fade of a hop, more of the past than of taps
/// and of the window
extern const char* const odd_steer_json;

/// Write a network of small random weights to `folder`; return its path
char* make_model(const char* folder, const char* name, const char* json);

/// The same, of masks around 0: low enough to learn the noise above the trained
/// band from, and open enough to keep what is above that noise
char* make_closed(const char* folder, const char* name, const char* json);

/// Write the model at `from` in int8
char* make_int8(const char* folder, const char* name, const char* from);

#endif /* MAUDIO_TEST_CUDA_MODELS_H */
