// GEGLU, the gated feed-forward layer of a UNet or a transformer, as an importer writes it:
//   y = x @ w + b;  h, g = the left and right half of y's columns;  h * gelu(g)
// Four kernels and three intermediates if run op by op; rocfuse makes it one kernel in which y never reaches memory:
//   python -m rocfuse.opt examples/01-geglu.mlir --target=gfx942 --emit=hsaco -o geglu.hsaco
#full = affine_map<(m, n) -> (m, n)>
#row = affine_map<(m, n) -> (n)>
func.func @geglu(%x: tensor<256x128xf16>, %w: tensor<128x512xf16>, %b: tensor<512xf16>) -> tensor<256x256xf16> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<256x512xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<256x512xf32>) -> tensor<256x512xf32>
  %dot = linalg.matmul ins(%x, %w : tensor<256x128xf16>, tensor<128x512xf16>)
                       outs(%start : tensor<256x512xf32>) -> tensor<256x512xf32>

  %y_empty = tensor.empty() : tensor<256x512xf16>
  %y = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]}
      ins(%dot, %b : tensor<256x512xf32>, tensor<512xf16>) outs(%y_empty : tensor<256x512xf16>) {
  ^bb0(%product: f32, %bias: f16, %out: f16):
    %wide = arith.extf %bias : f16 to f32
    %sum = arith.addf %product, %wide : f32
    %rounded = arith.truncf %sum : f32 to f16
    linalg.yield %rounded : f16
  } -> tensor<256x512xf16>

  %h = tensor.extract_slice %y[0, 0] [256, 256] [1, 1] : tensor<256x512xf16> to tensor<256x256xf16>
  %g = tensor.extract_slice %y[0, 256] [256, 256] [1, 1] : tensor<256x512xf16> to tensor<256x256xf16>

  %result_empty = tensor.empty() : tensor<256x256xf16>
  %result = linalg.generic {indexing_maps = [#full, #full, #full], iterator_types = ["parallel", "parallel"]}
      ins(%h, %g : tensor<256x256xf16>, tensor<256x256xf16>) outs(%result_empty : tensor<256x256xf16>) {
  ^bb0(%value: f16, %gate: f16, %out: f16):
    %x32 = arith.extf %gate : f16 to f32
    %rsqrt2 = arith.constant 0.707106769 : f32
    %one = arith.constant 1.0 : f32
    %half = arith.constant 0.5 : f32
    %scaled = arith.mulf %x32, %rsqrt2 : f32
    %erf = math.erf %scaled : f32
    %shifted = arith.addf %erf, %one : f32
    %halved = arith.mulf %shifted, %half : f32
    %gelu = arith.mulf %x32, %halved : f32
    %gelu16 = arith.truncf %gelu : f32 to f16
    %product = arith.mulf %value, %gelu16 : f16
    linalg.yield %product : f16
  } -> tensor<256x256xf16>
  return %result : tensor<256x256xf16>
}
