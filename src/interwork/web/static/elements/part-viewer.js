// <part-viewer src="…glb" library="…three.js">: a part to turn and look at. Drawn only when something changed.
import { say } from "./words.js";
import { colour, theme } from "./theme.js";

class PartViewer extends HTMLElement {
  async connectedCallback() {
    this.note = document.createElement("p");
    this.append(this.note);
    try {
      this.three = await import(this.getAttribute("library"));
      this.build();
    } catch {
      this.note.textContent = say("The viewer needs WebGL.");
      return;
    }
    try {
      const loaded = await new this.three.GLTFLoader().loadAsync(this.getAttribute("src"));
      this.show(loaded.scene);
      this.note.textContent = say("Drag to turn, scroll to zoom; arrow keys turn it too.");
      this.dataset.ready = "";
    } catch {
      this.note.textContent = say("The model could not be loaded.");
    }
  }

  build() {
    const { AmbientLight, DirectionalLight, HemisphereLight, OrbitControls, PerspectiveCamera, Scene, WebGLRenderer } = this.three;
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.prepend(this.renderer.domElement);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(32, 1, 0.001, 100);
    this.scene.add(new HemisphereLight(0xffffff, 0x666666, 1.6), new AmbientLight(0xffffff, 0.35));
    const sun = new DirectionalLight(0xffffff, 1.9);
    sun.position.set(2, 4, 3);
    this.camera.add(sun);
    this.scene.add(this.camera);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.ask());
    this.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this);
    theme.addEventListener("change", () => this.paint());
  }

  show(model) {
    const { Box3, EdgesGeometry, LineBasicMaterial, LineSegments, MeshStandardMaterial, Vector3 } = this.three;
    const box = new Box3().setFromObject(model);
    const size = box.getSize(new Vector3());
    const factor = 1 / (Math.max(size.x, size.y, size.z) || 1);
    model.scale.multiplyScalar(factor);
    model.position.sub(box.getCenter(new Vector3()).multiplyScalar(factor));
    this.skin = new MeshStandardMaterial({ roughness: 0.55, metalness: 0.25, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 });
    this.lines = new LineBasicMaterial();
    const meshes = [];
    model.traverse((part) => { if (part.isMesh) meshes.push(part); });
    for (const mesh of meshes) {
      mesh.material = this.skin;
      if (!mesh.geometry.attributes.normal) mesh.geometry.computeVertexNormals();
      mesh.add(new LineSegments(new EdgesGeometry(mesh.geometry, 25), this.lines));
    }
    this.scene.add(model);
    this.camera.position.set(1.15, 0.95, 1.5);
    this.controls.update();
    this.paint();
    this.fit();
  }

  paint() {
    if (!this.skin) return;
    const { Color } = this.three;
    const dark = colour("paper").match(/\d+/g)[0] < 128;
    this.skin.color = new Color(dark ? 0x8b979e : 0xc3cacd);
    this.lines.color = new Color(dark ? 0x0d1113 : 0x3b4449);
    this.ask();
  }

  key(event) {
    const turns = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] };
    const { Vector3 } = this.three;
    if (event.key === "+" || event.key === "-") this.camera.position.multiplyScalar(event.key === "+" ? 0.9 : 1.1);
    else if (event.key in turns) {
      const [around, up] = turns[event.key];
      this.camera.position.applyAxisAngle(new Vector3(0, 1, 0), around);
      this.camera.position.y += up;
    } else return;
    event.preventDefault();
    this.controls.update();
    this.ask();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.ask();
  }

  ask() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.renderer.render(this.scene, this.camera);
    });
  }
}

customElements.define("part-viewer", PartViewer);
