/** @file
 * The small networks of tests/golden and what tests of streams do with them.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "maudio.h"

/// Frames of the golden signals
#define NETWORK_SIGNAL 8000U

/// Bytes of tests/golden/network_NAME.safetensors, to be freed with free()
void* network_read(const char* name, size_t* size);

/// Open tests/golden/network_NAME.safetensors
maudio_model* network_open(const char* name);

/// Open it with its weights in int8
maudio_model* network_open_int8(const char* name);

/// Set a float32 tensor of a file in memory to `n` values, again and again
void network_set_tensor(void*        file,
                        const char*  name,
                        size_t       n,
                        const float* values);

/// Open it with a mask that is `re` in every bin
maudio_model* network_open_constant(const char* name, float re);

/// Make a network of these windows in memory, its mask `re` in every bin and
/// made `lookahead` hops later
maudio_model* network_make_constant(double   window_ms,
                                    double   hop_ms,
                                    unsigned lookahead,
                                    float    re);

/// Make the generator of model_builder_tiers_json in memory
maudio_model* network_make_tiers(void);

/// Make a generator; failures end the test
maudio_generator* network_generator(const maudio_model* model);

/// Make the network of model_builder_steer_json in memory, without latency
maudio_model* network_make_steer(void);

/// Make a stream; failures end the test
maudio_stream*
network_stream(const maudio_model* model, double rate_hz, unsigned n_channels);

/// Sample rates of all kinds, in Hz
#define NETWORK_N_RATES 12U
extern const double network_rates[NETWORK_N_RATES];

/// `n` zeros to be freed with free()
float* network_floats(size_t n);

/// A voice-like signal in noise, `n_frames` frames to be freed with free()
float* network_signal(size_t n_frames, double rate_hz, uint32_t seed);

/**
 * Process `n_frames` frames of each channel in calls of `block` frames.
 *
 * @param block 0 for calls of ever changing length.
 */
void network_process(maudio_stream*      stream,
                     unsigned            n_channels,
                     const float* const* in,
                     float* const*       out,
                     size_t              n_frames,
                     size_t              block);

/// Process one channel from a fresh stream, to be freed with free()
float* network_run(const maudio_model* model,
                   double              rate_hz,
                   const float*        in,
                   size_t              n_frames,
                   size_t              block);

#endif /* NETWORK_H */
