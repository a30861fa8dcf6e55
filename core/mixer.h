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
/// frames each band is a sequence of its own. Those that do not mix bands run
/// any number of them, whatever number they were made for
typedef struct {
  const maudio_kernels* kernels;
  size_t                n_frames;
  size_t                n_bands;
  size_t                window; ///< Frames that attention sees, this one too
  const float*          x;      ///< Its padding is 0
  float*                y;      ///< The result is added to it
  float*                state;
  float*                scratch;
} maudio_run;

/// A stage of a step, whose outputs may be computed in pieces: stages in order,
/// their panels of MAUDIO_LANES outputs in order
typedef struct {
  size_t n_panels;
  double macs; ///< Of a frame, all bands and panels
} maudio_stage;

/// Some panels of a stage
typedef struct {
  size_t stage;
  size_t first;
  size_t n;
} maudio_piece;

#define MAUDIO_MAX_STAGES 3

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

  /// Run a piece of a step, between which x, y, scratch are left alone: the
  /// result is that of step(), to the last bit. NULL if it has no stages
  void (*step_piece)(const maudio_mixer* mixer,
                     const maudio_run*   run,
                     maudio_piece        piece);
} maudio_mixer_class;

/// The head of every mixer
struct maudio_mixer {
  const maudio_mixer_class* type;
  size_t                    n_state; ///< Floats of state, all bands
  size_t       n_window_state;       ///< And for each frame of the window
  size_t       n_frame_scratch; ///< Floats of scratch for each frame, all bands
  size_t       n_window_scratch; ///< And for each frame of the window
  size_t       n_fixed_scratch;  ///< Floats of scratch besides
  double       macs;             ///< Multiply-accumulates of a frame, all bands
  double       window_macs;      ///< And for each frame that attention sees
  size_t       n_stages;         ///< 0: only as a whole
  maudio_stage stages[MAUDIO_MAX_STAGES];
};

extern const maudio_mixer_class maudio_mamba;
extern const maudio_mixer_class maudio_mamba2;
extern const maudio_mixer_class maudio_band_mlp;
extern const maudio_mixer_class maudio_attention;
extern const maudio_mixer_class maudio_mlp;
extern const maudio_mixer_class maudio_moe;

/// Return the class of a type
const maudio_mixer_class* maudio_mixer_find(maudio_mixer_type type);

/// Run every stage: the step of mixers that have them
void maudio_mixer_step(const maudio_mixer* mixer, const maudio_run* run);

/// Compute n panels of a product, from the first on
void maudio_gemm_panels(const maudio_kernels* kernels,
                        const maudio_gemm*    gemm,
                        size_t                first,
                        size_t                n);

/// Return the floats of state of a mixer that sees `window` frames
size_t maudio_mixer_state(const maudio_mixer* mixer, size_t window);

/// Return the floats of scratch that runs of up to `n_frames` frames need
size_t
maudio_mixer_scratch(const maudio_mixer* mixer, size_t n_frames, size_t window);

#endif /* MAUDIO_MIXER_H */
