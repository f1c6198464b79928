import { expect, test } from 'vitest'
import { readRecipe, repositoriesOf, weightFiles } from './sentence-transformer-recipe.ts'

const reader = (files: Record<string, unknown>) => (path: string) => files[path] as Record<string, unknown> | undefined

test("a repository's own files say how it is run", () => {
  const files = {
    'config.json': { hidden_size: 384, max_position_embeddings: 512 },
    'tokenizer_config.json': { model_max_length: 1e30 },
    'sentence_bert_config.json': { max_seq_length: 256 },
    'modules.json': [{ type: 'sentence_transformers.models.Transformer' }, { type: 'sentence_transformers.models.Pooling' }, { type: 'sentence_transformers.models.Normalize' }],
    '1_Pooling/config.json': { word_embedding_dimension: 384, pooling_mode_cls_token: true, pooling_mode_mean_tokens: false },
    'config_sentence_transformers.json': { prompts: { query: 'q: ', passage: 'p: ' } },
  }
  expect(readRecipe('o/m', reader(files))).toEqual({ dimension: 384, tokensMax: 256, pooling: 'cls', prompts: { query: 'q: ', document: 'p: ' } })
})

test('what copies in ONNX leave out is known of the models most used', () => {
  const files = { 'config.json': { hidden_size: 384, max_position_embeddings: 512 } }
  expect(readRecipe('all-MiniLM-L6-v2', reader(files))).toMatchObject({ tokensMax: 256, pooling: 'mean', prompts: { query: '', document: '' } })
  expect(readRecipe('Xenova/bge-small-en-v1.5@main', reader(files))).toMatchObject({ tokensMax: 512, pooling: 'cls', prompts: { query: expect.stringMatching(/^Represent/), document: '' } })
  expect(readRecipe('Xenova/multilingual-e5-small', reader(files))).toMatchObject({ pooling: 'mean', prompts: { query: 'query: ', document: 'passage: ' } })
  expect(readRecipe('o/unheard-of', reader(files))).toMatchObject({ tokensMax: 512, pooling: 'mean' })
})

test('what cannot be run rightly is refused, not run wrongly', () => {
  const config = { 'config.json': { hidden_size: 8 } }
  expect(() => readRecipe('o/m', reader({ ...config, 'modules.json': [{ type: 'sentence_transformers.models.Dense' }] }))).toThrow(/layer Dense/)
  expect(() => readRecipe('o/m', reader({ ...config, '1_Pooling/config.json': { pooling_mode_max_tokens: true } }))).toThrow(/pools by max_tokens/)
  expect(() => readRecipe('o/m', reader({ ...config, '1_Pooling/config.json': { pooling_mode_mean_tokens: true, pooling_mode_cls_token: true } }))).toThrow(/pools by/)
  expect(() => readRecipe('o/m', reader({ 'config.json': {} }))).toThrow(/hidden_size/)
})

test('the most precise weights are taken, or those that are asked for, with their outside data', () => {
  const paths = ['config.json', 'onnx/model.onnx', 'onnx/model.onnx_data', 'onnx/model.onnx_data_1', 'onnx/model.onnx_database', 'onnx/model_fp16.onnx', 'onnx/model_quantized.onnx']
  expect(weightFiles(paths, undefined)).toEqual({ weights: 'fp32', files: ['onnx/model.onnx', 'onnx/model.onnx_data', 'onnx/model.onnx_data_1'] })
  expect(weightFiles(paths, 'q8')).toEqual({ weights: 'q8', files: ['onnx/model_quantized.onnx'] })
  expect(weightFiles(paths.slice(5), undefined)?.weights).toBe('fp16')
  expect(weightFiles(['model.safetensors'], undefined)).toBeNull()
  expect(repositoriesOf('all-MiniLM-L6-v2')).toEqual(['sentence-transformers/all-MiniLM-L6-v2', 'Xenova/all-MiniLM-L6-v2'])
  expect(repositoriesOf('o/m@v1')).toEqual(['o/m@v1'])
})
