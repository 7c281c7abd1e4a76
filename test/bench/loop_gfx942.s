; Two loops: a short one without matrix work, and the K loop of a small fused kernel.
	.amdgcn_target "amdgcn-amd-amdhsa--gfx942"
	.globl	snippet
snippet:                                ; @snippet
	s_load_dwordx4 s[4:7], s[0:1], 0x0
	v_mov_b32_e32 v0, 0
	s_mov_b32 s2, 4
.LBB0_1:                                ; clears something
	v_add_u32_e32 v0, 1, v0
	s_sub_i32 s2, s2, 1
	s_cmp_lg_u32 s2, 0
	s_cbranch_scc1 .LBB0_1
	s_mov_b32 s2, 20
.LBB0_2:                                ; the K loop
	buffer_load_dwordx4 v[20:23], v1, s[8:11], 0 offen
	buffer_load_dwordx2 v[24:25], v2, s[8:11], 0 offen offset:64
	ds_read_b128 v[4:7], v0
	ds_read_b64 v[8:9], v0 offset:4096
	s_waitcnt lgkmcnt(0)
	v_mfma_f32_32x32x8_f16 v[32:47], v[4:5], v[8:9], v[32:47]
	v_mfma_f32_32x32x8_f16 v[48:63], v[6:7], v[8:9], v[48:63]
	v_mfma_f32_16x16x16_f16 v[64:67], v[4:5], v[8:9], v[64:67]
	s_barrier
	s_waitcnt vmcnt(0)
	ds_write_b128 v3, v[20:23]
	ds_write_b64 v3, v[24:25] offset:4096
	v_add_u32_e32 v1, 0x80, v1
	s_sub_i32 s2, s2, 1
	s_cmp_lg_u32 s2, 0
	s_cbranch_scc1 .LBB0_2
	s_endpgm
.Lfunc_end0:
	.amdhsa_kernel snippet
		.amdhsa_next_free_vgpr 68
		.amdhsa_next_free_sgpr 16
	.end_amdhsa_kernel
