/** @file
 * Models of tokens with random weights, made in memory.
 */
#ifndef BENCH_TOKEN_MODEL_H
#define BENCH_TOKEN_MODEL_H

#include "maudio.h"

/**
 * Make a model.
 *
 * @param name For messages and maudio_model_info.
 * @param json A config.json, as Hugging Face folders have it. Every tensor it
 * asks for is filled with pseudo-random values, the same in every run, that
 * keep the network stable.
 */
maudio_status bench_token_model(const char*    name,
                                const char*    json,
                                maudio_model** model,
                                maudio_error*  error);

#endif /* BENCH_TOKEN_MODEL_H */
