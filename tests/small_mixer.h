/** @file
 * A mixer whose weights are made in memory, to be compared with plain loops.
 */
#ifndef SMALL_MIXER_H
#define SMALL_MIXER_H

#include "mixer.h"
#include "model_builder.h"

typedef struct {
  uint8_t*            file;
  maudio_weights*     weights;
  maudio_arena        arena;
  const maudio_mixer* mixer;
  size_t              d_model;
} small_mixer;

/// Add a tensor (n_out, n_in) of pseudo-random values, each call others; the
/// first `n_dims` of its lengths count
void small_mixer_add(model_builder* builder,
                     const char*    name,
                     unsigned       n_dims,
                     size_t         n_out,
                     size_t         n_in);

/// Bind a mixer to the tensors of `builder`, which is freed; failures end the
/// test
small_mixer small_mixer_open(model_builder*             builder,
                             const maudio_block_config* config,
                             size_t                     d_model);

void small_mixer_close(small_mixer* m);

/// Return a tensor of the file, to be freed with free()
float* small_mixer_tensor(const small_mixer* m,
                          const char*        name,
                          unsigned           n_dims,
                          const size_t*      shape);

/// Return a state of zeros, to be freed with free()
float* small_mixer_state(const small_mixer* m, size_t window);

/// y (n_frames, D) = mixer(x) (n_frames, D)
void small_mixer_run(const small_mixer*    m,
                     const maudio_kernels* kernels,
                     size_t                n_frames,
                     size_t                window,
                     const float*          x,
                     float*                state,
                     float*                y);

/// Run in calls of ever changing length, which have to give `expected`, the
/// result of calls of one frame, to the last bit
void small_mixer_check_chunks(const small_mixer*    m,
                              const maudio_kernels* kernels,
                              size_t                n_frames,
                              size_t                window,
                              const float*          x,
                              const float*          expected);

/// `n` pseudo-random floats from -1 to 1, to be freed with free()
float* small_mixer_signal(size_t n, uint32_t seed);

/// y (n_out) = bias + weight (n_out, n_in) x, in double; `bias` may be NULL
void small_mixer_linear(const float*  weight,
                        const float*  bias,
                        size_t        n_out,
                        size_t        n_in,
                        const double* x,
                        double*       y);

#endif /* SMALL_MIXER_H */
