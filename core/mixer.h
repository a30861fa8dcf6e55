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

/// What a mixer works on: (n_frames, n_bands, maudio_pad(d_model)); along
/// frames each band is a sequence of its own
typedef struct {
  const maudio_kernels* kernels;
  size_t                n_frames;
  size_t                window; ///< Frames that attention sees, this one too
  const float*          x;      ///< Its padding is 0
  float*                y;      ///< The result is added to it
  float*                state;
  float*                scratch;
} maudio_run;

typedef struct {
  const char* name; ///< As in configurations

  /**
   * Read the weights below binding->prefix.
   *
   * @param[out] mixer Made in the arena of `binding`; its sizes are filled.
   */
  maudio_status (*bind)(const maudio_block_config* config,
                        maudio_binding*            binding,
                        const maudio_mixer**       mixer);

  /// Run some frames: y += mixer(x)
  void (*step)(const maudio_mixer* mixer, const maudio_run* run);
} maudio_mixer_class;

/// The head of every mixer
struct maudio_mixer {
  const maudio_mixer_class* type;
  size_t                    n_state; ///< Floats of state, all bands
  size_t n_window_state;             ///< And for each frame of the window
  size_t n_frame_scratch;  ///< Floats of scratch for each frame, all bands
  size_t n_window_scratch; ///< And for each frame of the window
  size_t n_fixed_scratch;  ///< Floats of scratch besides
  double macs;             ///< Multiply-accumulates of a frame, all bands
  double window_macs;      ///< And for each frame that attention sees
};

extern const maudio_mixer_class maudio_mamba;
extern const maudio_mixer_class maudio_mamba2;
extern const maudio_mixer_class maudio_band_mlp;
extern const maudio_mixer_class maudio_attention;
extern const maudio_mixer_class maudio_mlp;
extern const maudio_mixer_class maudio_moe;

/// Return the class of a type
const maudio_mixer_class* maudio_mixer_find(maudio_mixer_type type);

/// Return the floats of state of a mixer that sees `window` frames
size_t maudio_mixer_state(const maudio_mixer* mixer, size_t window);

/// Return the floats of scratch that runs of up to `n_frames` frames need
size_t
maudio_mixer_scratch(const maudio_mixer* mixer, size_t n_frames, size_t window);

#endif /* MAUDIO_MIXER_H */
