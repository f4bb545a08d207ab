document.querySelector("#greeting").textContent = "Hello from Vite";
