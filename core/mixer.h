/** @file
 * Mixers: what a block of the network does between its norm and its residual.
 *
 * Each kind is one file with a const maudio_mixer_class. Weights are bound
 * once and immutable; the state is a plain array of floats, all 0 at the
 * start, whose layout does not depend on the instruction set.
 */
#ifndef MAUDIO_MIXER_H
#define MAUDIO_MIXER_H

#include "config.h"
#include "kernels.h"
#include "tensors.h"

typedef struct maudio_mixer maudio_mixer;

typedef struct {
  /**
   * Read the weights below binding->prefix.
   *
   * @param[out] mixer Made in the arena of `binding`; its sizes are filled.
   */
  maudio_status (*bind)(const maudio_block_config* config,
                        maudio_binding*            binding,
                        const maudio_mixer**       mixer);

  /**
   * Run n_frames frames: y += mixer(x).
   *
   * x, y (n_frames, n_bands, maudio_pad(d_model)), the padding of x is 0.
   * Along frames each band is a sequence of its own.
   */
  void (*step)(const maudio_mixer*   mixer,
               const maudio_kernels* kernels,
               size_t                n_frames,
               const float*          x,
               float*                y,
               float*                state,
               float*                scratch);
} maudio_mixer_class;

/// The head of every mixer
struct maudio_mixer {
  const maudio_mixer_class* type;
  size_t                    n_state; ///< Floats of state, all bands
  size_t n_frame_scratch; ///< Floats of scratch for each frame, all bands
  size_t n_fixed_scratch; ///< Floats of scratch besides
  double macs;            ///< Multiply-accumulates of a frame, all bands
};

extern const maudio_mixer_class maudio_mamba;
extern const maudio_mixer_class maudio_mamba2;
extern const maudio_mixer_class maudio_band_mlp;

/// Return the class of a type
const maudio_mixer_class* maudio_mixer_find(maudio_mixer_type type);

#endif /* MAUDIO_MIXER_H */
