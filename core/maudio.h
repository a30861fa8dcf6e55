/** @file
 * maudio: Mamba networks for audio, in realtime.
 *
 * A model is a file of weights: read once, immutable, shared by any number of
 * streams and threads. A stream is the state of one signal running through a
 * model. Functions marked MAUDIO_RT never allocate, lock, do I/O or call the
 * system, and their work is bounded by their arguments: an audio thread may
 * call them. One stream is used by one thread at a time.
 */
#ifndef MAUDIO_H
#define MAUDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(MAUDIO_STATIC)
#  define MAUDIO_API
#else
#  define MAUDIO_API __attribute__((visibility("default")))
#endif

/// Safe to call from an audio thread
#define MAUDIO_RT

#define MAUDIO_VERSION "0.1.0"

/// Greatest number of channels of one stream
#define MAUDIO_MAX_CHANNELS 2

/// Sample rates that a spectral model runs at, in Hz
#define MAUDIO_MIN_RATE_HZ 8000
#define MAUDIO_MAX_RATE_HZ 192000

/// Steps that attention looks back at unless more or fewer are asked for
#define MAUDIO_DEFAULT_CONTEXT 4096

typedef enum {
  MAUDIO_SUCCESS,         ///< No error
  MAUDIO_ERR_NO_MEMORY,   ///< Memory could not be allocated
  MAUDIO_ERR_NOT_FOUND,   ///< File or preset does not exist
  MAUDIO_ERR_IO,          ///< File could not be read or written
  MAUDIO_ERR_BAD_MODEL,   ///< Model file is damaged or inconsistent
  MAUDIO_ERR_VERSION,     ///< Model file is of a format version we do not know
  MAUDIO_ERR_UNSUPPORTED, ///< Model asks for something this build does not do
  MAUDIO_ERR_BAD_ARG,     ///< Argument out of range
  MAUDIO_ERR_BAD_STATE    ///< Saved state does not belong to what loads it
} maudio_status;

/// What went wrong, and where: filled by functions that take one, may be NULL
typedef struct {
  maudio_status status;
  char          message[256]; ///< One sentence, names the file and the tensor
} maudio_error;

/// Immutable weights of a network
typedef struct maudio_model maudio_model;

/// State of one signal running through a model
typedef struct maudio_stream maudio_stream;

/// State of one sequence of tokens running through a model
typedef struct maudio_sequence maudio_sequence;

/// A stream that is heard, with controls; another can be faded in
typedef struct maudio_effect maudio_effect;

/// State of one signal that a model makes up, sample by sample
typedef struct maudio_generator maudio_generator;

typedef enum {
  MAUDIO_TASK_DENOISE,  ///< Audio in, audio out: streams
  MAUDIO_TASK_GENERATE, ///< Audio out: generators
  MAUDIO_TASK_TOKENS    ///< Tokens in, scores of the next one out: sequences
} maudio_task;

typedef struct {
  const char* name;            ///< Short name from the file, such as "voice"
  maudio_task task;            ///< What the model does
  const char* licence;         ///< SPDX expression of the weights, or ""
  uint32_t    rate_hz;         ///< Sample rate of the training data, or 0
  double      latency_ms;      ///< Algorithmic latency at rate_hz, or 0
  uint64_t    n_parameters;    ///< Number of weights
  double      macs_per_second; ///< Multiply-accumulates per second of audio
  uint32_t    n_layers;        ///< Number of blocks, of all tiers
  uint32_t    d_model;         ///< Width of the residual stream, first tier
  uint32_t    n_bands;         ///< Bands that share the weights, at least 1
  uint32_t    n_tiers;         ///< Generators: rates of steps, else 0
  uint32_t    n_vocab;         ///< Number of tokens, or 0
  uint32_t    context;         ///< Steps that attention sees by default, or 0
  double      macs_per_step;   ///< Of a hop, or of a token in a full context
  uint64_t    state_bytes;     ///< Of the network, for one signal or sequence
} maudio_model_info;

/// One tier of a generator: what runs at one rate of steps
typedef struct {
  uint32_t n_frames; ///< Samples of a step
  uint32_t d_model;  ///< Width of the residual stream
  uint32_t n_layers; ///< Number of blocks
  double   macs;     ///< Multiply-accumulates of a step
} maudio_tier_info;

/// Parameters of a stream or effect; a change acts smoothly over 20 ms. Those
/// of a generator act from the next sample on
typedef enum {
  MAUDIO_PARAM_STRENGTH,           ///< 0 (input, bit for bit) to 1 (default)
  MAUDIO_PARAM_MAX_ATTENUATION_DB, ///< 0 to 100; at 100 (default) no limit
  MAUDIO_PARAM_ENABLED, ///< 0 bypasses, keeping the latency; default 1
  MAUDIO_PARAM_MIX,     ///< Effects alone: 0 (delayed input) to 1 (default)
  MAUDIO_PARAM_OUTPUT_GAIN_DB, ///< Effects alone: -60 to 24, default 0
  MAUDIO_PARAM_TEMPERATURE,    ///< Generators alone: 0 (always the most
                               ///< probable) to 2 (wild), default 1
  MAUDIO_PARAM_TOP_P           ///< Generators alone: 0 to 1 (default), the most
                               ///< probable values that sum to it are left
} maudio_param;

/// Return the version of the library that is running, such as "0.1.0"
MAUDIO_API const char* maudio_version(void);

/// Return one sentence for `status`: uppercase first, no trailing period
MAUDIO_API const char* maudio_strerror(maudio_status status);

/// Return the name of the kernels in use: "scalar", "avx2", "avx512" or "neon"
MAUDIO_API const char* maudio_kernels_name(void);

/**
 * Open a model.
 *
 * @param path A .safetensors file, or a Hugging Face folder or its config.json
 * (docs/model-format.md).
 * @param[out] model Set on success; free with maudio_model_free().
 * @param[out] error Details of a failure; may be NULL.
 */
MAUDIO_API maudio_status maudio_model_open(const char*    path,
                                           maudio_model** model,
                                           maudio_error*  error);

/**
 * Open a model from `size` bytes in memory, which may be freed afterwards.
 *
 * `label` stands for the path in error messages.
 */
MAUDIO_API maudio_status maudio_model_open_memory(const void*    data,
                                                  size_t         size,
                                                  const char*    label,
                                                  maudio_model** model,
                                                  maudio_error*  error);

/// Free a model; every stream made from it must have been freed. NULL is fine
MAUDIO_API void maudio_model_free(maudio_model* model);

/// Describe a model; strings live as long as the model
MAUDIO_API void maudio_model_get_info(const maudio_model* model,
                                      maudio_model_info*  info);

/// Return the kind of block `index`, such as "mamba2", or NULL after the last
MAUDIO_API const char* maudio_model_layer(const maudio_model* model,
                                          uint32_t            index);

/// Describe tier `index` of a generator, 0 being that of every sample; return
/// false after the last
MAUDIO_API bool maudio_model_tier(const maudio_model* model,
                                  uint32_t            index,
                                  maudio_tier_info*   info);

/// What maudio_quantize() has done
typedef struct {
  uint64_t n_tensors;         ///< Of the file
  uint64_t n_quantized;       ///< Those that became int8
  uint64_t n_bytes_before;    ///< Size of the file
  uint64_t n_bytes_after;     ///< What was written
  double   worst_error;       ///< Of a row: rms of the change over its rms
  char     worst_tensor[128]; ///< Where that row is
} maudio_quantize_info;

/// Take some bytes of a file; return false to stop
typedef bool (*maudio_write)(const void* data, size_t size, void* user);

/**
 * Make a file of weights smaller: matrices become int8 (docs/model-format.md),
 * about a quarter of float32; what other tensors hold stays as it is.
 *
 * @param path A .safetensors file in float32, float16 or bfloat16.
 * @param write Called with the new file from start to end.
 * @param user Passed to it.
 * @param[out] info Filled on success.
 * @param[out] error Details of a failure; may be NULL.
 */
MAUDIO_API maudio_status maudio_quantize(const char*           path,
                                         maudio_write          write,
                                         void*                 user,
                                         maudio_quantize_info* info,
                                         maudio_error*         error);

/**
 * Create a stream: the only allocation in a stream's life.
 *
 * @param rate_hz Sample rate of the signal, 8000 to 192000.
 * @param n_channels 1 or 2; two channels share one mask, so that the stereo
 * image stays where it is.
 */
MAUDIO_API maudio_status maudio_stream_new(const maudio_model* model,
                                           double              rate_hz,
                                           unsigned            n_channels,
                                           maudio_stream**     stream,
                                           maudio_error*       error);

/// Free a stream. NULL is fine
MAUDIO_API void maudio_stream_free(maudio_stream* stream);

/// Forget the past: the stream is as after maudio_stream_new(), parameters kept
MAUDIO_API MAUDIO_RT void maudio_stream_reset(maudio_stream* stream);

/// Set a parameter, clamped to its range; before any audio it acts at once
MAUDIO_API MAUDIO_RT maudio_status maudio_stream_set(maudio_stream* stream,
                                                     maudio_param   param,
                                                     float          value);

/**
 * Process `n_frames` frames: any number, the result does not depend on how a
 * signal is cut into calls, to the last bit.
 *
 * @param in One pointer per channel to `n_frames` samples. NaN and infinite
 * samples are replaced by 0 and counted.
 * @param out One pointer per channel to `n_frames` samples; may be `in`.
 */
MAUDIO_API MAUDIO_RT void maudio_stream_process(maudio_stream*      stream,
                                                const float* const* in,
                                                float* const*       out,
                                                size_t              n_frames);

/// Return the latency of a stream in frames: constant, also when bypassed
MAUDIO_API MAUDIO_RT size_t maudio_stream_latency(const maudio_stream* stream);

/// Return how many NaN or infinite samples have been replaced since creation
MAUDIO_API MAUDIO_RT uint64_t
maudio_stream_bad_samples(const maudio_stream* stream);

/// Return the mean attenuation of the last frame or hop in dB, at least 0
MAUDIO_API MAUDIO_RT float
maudio_stream_reduction_db(const maudio_stream* stream);

/// Return the model that a stream was made from
MAUDIO_API MAUDIO_RT const maudio_model*
maudio_stream_model(const maudio_stream* stream);

/// Return the bytes of memory a stream holds, all allocated at creation
MAUDIO_API size_t maudio_stream_memory(const maudio_stream* stream);

/// Return the number of bytes that maudio_stream_save_state() writes
MAUDIO_API size_t maudio_stream_state_size(const maudio_stream* stream);

/// Write the state to `data` of maudio_stream_state_size() bytes
MAUDIO_API MAUDIO_RT void maudio_stream_save_state(const maudio_stream* stream,
                                                   void*                data);

/**
 * Continue from a state saved by a stream of the same model, rate and
 * channels. On error the stream is unchanged.
 */
MAUDIO_API MAUDIO_RT maudio_status
maudio_stream_load_state(maudio_stream* stream, const void* data, size_t size);

/**
 * Create a sequence: the only allocation in a sequence's life.
 *
 * @param max_context Steps that attention looks back at, the present one too;
 * results are those of full attention while a sequence is no longer. 0: the
 * `context` of maudio_model_info.
 */
MAUDIO_API maudio_status maudio_sequence_new(const maudio_model* model,
                                             size_t              max_context,
                                             maudio_sequence**   sequence,
                                             maudio_error*       error);

/// Free a sequence. NULL is fine
MAUDIO_API void maudio_sequence_free(maudio_sequence* sequence);

/// Forget the past: the sequence is as after maudio_sequence_new()
MAUDIO_API MAUDIO_RT void maudio_sequence_reset(maudio_sequence* sequence);

/**
 * Take `n_steps` tokens: any number, the result does not depend on how a
 * sequence is cut into calls, to the last bit.
 *
 * @param ids `n_steps` tokens. If one of them is not below n_vocab, the call
 * fails with MAUDIO_ERR_BAD_ARG and nothing has changed.
 * @param[out] logits (n_steps, n_vocab): scores of the token after each of
 * them. NULL: not computed.
 */
MAUDIO_API MAUDIO_RT maudio_status
maudio_sequence_step(maudio_sequence* sequence,
                     size_t           n_steps,
                     const uint32_t*  ids,
                     float*           logits);

/// Return the bytes of memory a sequence holds, all allocated at creation
MAUDIO_API size_t maudio_sequence_memory(const maudio_sequence* sequence);

/// Return the number of bytes that maudio_sequence_save_state() writes
MAUDIO_API size_t maudio_sequence_state_size(const maudio_sequence* sequence);

/// Write the state to `data` of maudio_sequence_state_size() bytes
MAUDIO_API MAUDIO_RT void
maudio_sequence_save_state(const maudio_sequence* sequence, void* data);

/// Continue from a state saved by a sequence of the same model and context. On
/// error the sequence is unchanged
MAUDIO_API MAUDIO_RT maudio_status
maudio_sequence_load_state(maudio_sequence* sequence,
                           const void*      data,
                           size_t           size);

/**
 * Create an effect: what a plugin or a live command plays through.
 *
 * An effect plays streams and owns none: whoever made a stream frees it, after
 * maudio_effect_retired() has returned it or the effect has been freed.
 * maudio_effect_process() and maudio_effect_reset() belong to the audio thread;
 * the other functions marked MAUDIO_RT may be called by any thread meanwhile.
 *
 * @param rate_hz Sample rate of every stream that will be played.
 * @param n_channels Channels of every stream that will be played, 1 or 2.
 * @param first Heard from the first frame on, reset.
 */
MAUDIO_API maudio_status maudio_effect_new(double          rate_hz,
                                           unsigned        n_channels,
                                           maudio_stream*  first,
                                           maudio_effect** effect,
                                           maudio_error*   error);

/// Free an effect, not its streams. NULL is fine
MAUDIO_API void maudio_effect_free(maudio_effect* effect);

/**
 * Change to another stream, which is reset and must not be in use.
 *
 * It runs unheard until its state has settled (its latency and 100 ms), then is
 * faded in over 20 ms; before any audio it is heard at once. The parameters of
 * the effect become its own.
 *
 * @return A stream that was waiting to be played and now never will be, or
 * NULL.
 */
MAUDIO_API MAUDIO_RT maudio_stream* maudio_effect_play(maudio_effect* effect,
                                                       maudio_stream* stream);

/// Return a stream that has been replaced and is used no more, once, or NULL.
/// The next change waits until it has been taken
MAUDIO_API MAUDIO_RT maudio_stream*
maudio_effect_retired(maudio_effect* effect);

/// Set a parameter, clamped to its range
MAUDIO_API MAUDIO_RT maudio_status maudio_effect_set(maudio_effect* effect,
                                                     maudio_param   param,
                                                     float          value);

/// As maudio_stream_process(): the same samples as the stream by itself while
/// mix is 1 and the gain 0 dB; after that mix and gain, which a bypass undoes
MAUDIO_API MAUDIO_RT void maudio_effect_process(maudio_effect*      effect,
                                                const float* const* in,
                                                float* const*       out,
                                                size_t              n_frames);

/// Forget the past; a change under way is completed
MAUDIO_API MAUDIO_RT void maudio_effect_reset(maudio_effect* effect);

/// Return the latency in frames of the stream that is heard
MAUDIO_API MAUDIO_RT size_t maudio_effect_latency(const maudio_effect* effect);

/// Return maudio_stream_reduction_db() of the stream that is heard
MAUDIO_API MAUDIO_RT float
maudio_effect_reduction_db(const maudio_effect* effect);

/// Values that a sample of a generator has: codes 0 to 255 of mu-law
#define MAUDIO_N_CODES 256

/// The code of silence, which stands before the first sample
#define MAUDIO_SILENCE 128

/// Round samples, clipped to -1 to 1, to the nearest codes. NaN is silence
MAUDIO_API MAUDIO_RT void
maudio_codes_from_samples(const float* samples, size_t n, uint8_t* codes);

/// Turn codes into samples from -1 to 1
MAUDIO_API MAUDIO_RT void
maudio_samples_from_codes(const uint8_t* codes, size_t n, float* samples);

/**
 * Create a generator, at silence and with seed 0: the only allocation in a
 * generator's life.
 */
MAUDIO_API maudio_status maudio_generator_new(const maudio_model* model,
                                              maudio_generator**  generator,
                                              maudio_error*       error);

/// Free a generator. NULL is fine
MAUDIO_API void maudio_generator_free(maudio_generator* generator);

/// Forget the past and begin again, with random numbers of `seed`; parameters
/// are kept. The same seed and calls give the same samples
MAUDIO_API MAUDIO_RT void maudio_generator_reset(maudio_generator* generator,
                                                 uint64_t          seed);

/// Set MAUDIO_PARAM_TEMPERATURE or _TOP_P, clamped to its range
MAUDIO_API MAUDIO_RT maudio_status
maudio_generator_set(maudio_generator* generator,
                     maudio_param      param,
                     float             value);

/**
 * Make up the next `n_frames` samples, at the model's rate_hz: any number, the
 * result does not depend on how a signal is cut into calls, to the last bit.
 */
MAUDIO_API MAUDIO_RT void
maudio_generator_run(maudio_generator* generator, float* out, size_t n_frames);

/// Take the next `n_frames` samples as if they had been made up: generation
/// goes on from them. Several calls are as one
MAUDIO_API MAUDIO_RT void maudio_generator_prompt(maudio_generator* generator,
                                                  const float*      in,
                                                  size_t            n_frames);

/**
 * Take the next `n` samples as codes, as maudio_generator_prompt() does, and
 * tell how they were expected.
 *
 * @param[out] logits (n, MAUDIO_N_CODES): before each of them, the score of
 * every code; its softmax is their probability. May be NULL.
 */
MAUDIO_API MAUDIO_RT void maudio_generator_score(maudio_generator* generator,
                                                 const uint8_t*    codes,
                                                 size_t            n,
                                                 float*            logits);

/// Return the model that a generator was made from
MAUDIO_API MAUDIO_RT const maudio_model*
maudio_generator_model(const maudio_generator* generator);

/// Return the bytes of memory a generator holds, all allocated at creation
MAUDIO_API size_t maudio_generator_memory(const maudio_generator* generator);

/// Return the number of bytes that maudio_generator_save_state() writes
MAUDIO_API size_t
maudio_generator_state_size(const maudio_generator* generator);

/// Write the state, random numbers and parameters included, to `data`
MAUDIO_API MAUDIO_RT void
maudio_generator_save_state(const maudio_generator* generator, void* data);

/// Continue, bit for bit, from a state saved by a generator of the same model.
/// On error the generator is unchanged
MAUDIO_API MAUDIO_RT maudio_status
maudio_generator_load_state(maudio_generator* generator,
                            const void*       data,
                            size_t            size);

/**
 * Find a preset by name: in the folders of MAUDIO_PRESETS (separated by ':'),
 * in the installed folder, in the source tree, in this order.
 *
 * @param[out] path Filled with the path of its model file, `size` bytes.
 */
MAUDIO_API maudio_status maudio_preset_find(const char*   name,
                                            char*         path,
                                            size_t        size,
                                            maudio_error* error);

/// Called with the name and path of a preset; return false to stop
typedef bool (*maudio_preset_visit)(const char* name,
                                    const char* path,
                                    void*       user);

/// Visit every preset in order of name; of two with one name, the first found
MAUDIO_API maudio_status maudio_preset_each(maudio_preset_visit visit,
                                            void*               user,
                                            maudio_error*       error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MAUDIO_H */
