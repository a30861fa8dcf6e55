/** @file
 * Denoising in bulk on a GPU: many signals at once, parallel in time.
 *
 * The same models and, within a stated tolerance, the same samples as
 * maudio_stream. This library is loaded when it is asked for, so that the
 * command starts without CUDA and runs where there is none.
 *
 * An engine is one GPU with the weights of one model. A signal is the state
 * there of one stream of audio, such as maudio_stream holds. A batch is a
 * number of slices, of different signals, that go through the network
 * together; several batches may be under way, so that transfers overlap with
 * computing. One engine is used by one thread at a time.
 */
#ifndef MAUDIO_CUDA_H
#define MAUDIO_CUDA_H

#include "maudio.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maudio_cuda_engine maudio_cuda_engine;
typedef struct maudio_cuda_signal maudio_cuda_signal;

/// How matrix products are computed; all else is 32-bit float
typedef enum {
  MAUDIO_CUDA_FLOAT32, ///< As on the CPU, within -90 dBFS
  MAUDIO_CUDA_TF32,
  MAUDIO_CUDA_BF16
} maudio_cuda_precision;

/// The next samples of a signal
typedef struct {
  maudio_cuda_signal* signal;
  size_t              n_frames;                 ///< At most slice_hops hops
  const float*        in[MAUDIO_MAX_CHANNELS];  ///< Page-locked, see _buffer()
  float*              out[MAUDIO_MAX_CHANNELS]; ///< The same; may be `in`
} maudio_cuda_slice;

typedef struct {
  char     name[128];   ///< Of the GPU
  size_t   slice_hops;  ///< Most hops of a slice, whatever its rate
  size_t   batch_hops;  ///< Most hops of a batch, of all slices and channels
  unsigned n_in_flight; ///< Batches that may be under way at once
} maudio_cuda_info;

/// Return the number of GPUs that can be used, or fail saying why there is none
MAUDIO_API maudio_status maudio_cuda_count(int* n_devices, maudio_error* error);

/// Load the model at `path` onto GPU `device`
MAUDIO_API maudio_status maudio_cuda_open(const char*           path,
                                          int                   device,
                                          maudio_cuda_precision precision,
                                          maudio_cuda_engine**  engine,
                                          maudio_error*         error);

/// Free an engine; every signal must have been freed. NULL is fine
MAUDIO_API void maudio_cuda_close(maudio_cuda_engine* engine);

MAUDIO_API void maudio_cuda_get_info(const maudio_cuda_engine* engine,
                                     maudio_cuda_info*         info);

/// Get page-locked memory, free it; fast transfers need it
MAUDIO_API maudio_status maudio_cuda_buffer(maudio_cuda_engine* engine,
                                            size_t              n_floats,
                                            float**             buffer,
                                            maudio_error*       error);
MAUDIO_API void          maudio_cuda_buffer_free(maudio_cuda_engine* engine,
                                                 float*              buffer);

/// Make a signal, as maudio_stream_new() does; strength is 0 to 1, at
/// max_attenuation_db >= 100 there is no limit
MAUDIO_API maudio_status maudio_cuda_signal_new(maudio_cuda_engine* engine,
                                                double              rate_hz,
                                                unsigned            n_channels,
                                                float               strength,
                                                float max_attenuation_db,
                                                maudio_cuda_signal** signal,
                                                maudio_error*        error);

/// Free a signal that no batch under way holds. NULL is fine
MAUDIO_API void maudio_cuda_signal_free(maudio_cuda_signal* signal);

/// Forget the past, so that the next slice begins another stream of audio
MAUDIO_API void maudio_cuda_signal_reset(maudio_cuda_signal* signal);

/// Return the latency in frames, that of maudio_stream_latency(): output is as
/// much later than input, and nothing is compensated here
MAUDIO_API size_t maudio_cuda_signal_latency(const maudio_cuda_signal* signal);

/**
 * Start a batch: returns once it is queued.
 *
 * Every slice but the last of a signal has to be a whole number of hops long
 * (maudio_cuda_signal_hop()); the result does not depend on how a signal is cut
 * beyond the rounding of 32-bit floats (docs/cuda.md).
 *
 * @param slices `n_slices` of different signals, which may differ in length,
 * rate and channels; the array may be freed, the samples not before the wait.
 * @param[out] ticket For maudio_cuda_wait().
 */
MAUDIO_API maudio_status maudio_cuda_submit(maudio_cuda_engine*      engine,
                                            size_t                   n_slices,
                                            const maudio_cuda_slice* slices,
                                            uint64_t*                ticket,
                                            maudio_error*            error);

/// Return the frames of a hop of this signal
MAUDIO_API size_t maudio_cuda_signal_hop(const maudio_cuda_signal* signal);

/// Wait until a batch is done and its output is in place
MAUDIO_API maudio_status maudio_cuda_wait(maudio_cuda_engine* engine,
                                          uint64_t            ticket,
                                          maudio_error*       error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MAUDIO_CUDA_H */
